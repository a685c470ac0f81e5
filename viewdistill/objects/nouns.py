"""Nouns of the generator's objects, and the noun of a caption."""

import re

NOUNS = (
    *("mug", "bottle", "lamp", "watering can", "jug", "clock", "gift box", "potted flower"),
    *("chair", "table", "stool", "sofa", "armchair", "cupboard", "bed"),
    *("cat", "pig", "elephant", "bird", "duck", "penguin", "fish", "turtle"),
    *("car", "truck", "steam train", "boat", "aeroplane", "rocket", "submarine"),
    *("mushroom", "mushrooms", "tree", "cactus", "snowman", "cake", "ice cream"),
    *("house", "castle", "tower", "windmill", "letter box"),
    *("robot", "teddy bear", "doll", "guitar", "camera", "hat", "toy horse"),
    *("vase", "blob", "creature", "sculpture", "pebble", "gourd", "stack of blocks"),
)
"""Nouns of all training families."""

PICTURE_OF = re.compile(r"^(an?|the)?\s*(photo|photograph|picture|image|drawing|rendering) of\s+")
PREPOSITION = re.compile(r"\s(with|of|on|in|at|by|for|from|under|beside|that|which|wearing|holding)\s")


def noun_of_caption(caption: str) -> str | None:
    """Return the noun of a caption: "mug" for "a red mug with white stripes".

    Captions of the generator consist of an article, colours, the noun, and details after "with". If the words before
    "with" end in one of `NOUNS`, that is the noun; otherwise it is the last word before the first preposition.

    Returns:
        One or several words in lower case; None for a caption without words.
    """
    words = " ".join(re.sub(r"[^\w\s-]", " ", caption.lower()).split())
    head = PICTURE_OF.sub("", words).split(" with ")[0]
    known = [noun for noun in NOUNS if f" {head}".endswith(f" {noun}")]
    if known:
        return max(known, key=len)
    before = PREPOSITION.split(f"{head} ")[0].split()
    return before[-1] if before else None
