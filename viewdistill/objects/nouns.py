"""What the generator's objects are called, and how a caption's noun is found."""

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
"""Nouns of all families that priors are trained on."""

PICTURE_OF = re.compile(r"^(an?|the)?\s*(photo|photograph|picture|image|drawing|rendering) of\s+")
PREPOSITION = re.compile(r"\s(with|of|on|in|at|by|for|from|under|beside|that|which|wearing|holding)\s")


def noun_of_caption(caption: str) -> str | None:
    """The noun that a caption is about: of "a red mug with white stripes", "mug".

    Captions of the generator are an article, words for colours, the noun, and "with" details. The noun is one of
    `NOUNS` where the words before "with" end in one, and otherwise the last word before the first preposition.

    Returns:
        One or several words in lower case; none where the caption has no words.
    """
    words = " ".join(re.sub(r"[^\w\s-]", " ", caption.lower()).split())
    head = PICTURE_OF.sub("", words).split(" with ")[0]
    known = [noun for noun in NOUNS if f" {head}".endswith(f" {noun}")]
    if known:
        return max(known, key=len)
    before = PREPOSITION.split(f"{head} ")[0].split()
    return before[-1] if before else None
