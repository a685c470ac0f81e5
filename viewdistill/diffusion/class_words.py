"""Vocabularies from which a class word is chosen."""

from typing import Literal

from viewdistill.objects.nouns import NOUNS

ClassWords = Literal["generator", "everyday"]
"""``generator``: nouns that the embedded priors know. ``everyday``: these and common objects, for published priors."""

EVERYDAY = (
    *("apple", "banana", "orange", "pear", "pineapple", "pumpkin", "bread", "burger", "pizza", "doughnut", "cupcake"),
    *("cup", "bowl", "plate", "teapot", "kettle", "pan", "glass", "jar", "can", "box", "basket", "bucket", "barrel"),
    *("knife", "spoon", "fork", "scissors", "hammer", "screwdriver", "wrench", "drill", "brush", "broom", "candle"),
    *("book", "pen", "pencil", "notebook", "globe", "key", "lock", "coin", "trophy", "umbrella", "toy", "doll house"),
    *("shoe", "boot", "sandal", "glove", "shirt", "dress", "jacket", "bag", "backpack", "suitcase", "watch", "glasses"),
    *("helmet", "crown", "mask", "ring", "necklace", "ball", "football", "basketball", "skateboard", "bicycle"),
    *("motorcycle", "bus", "van", "tractor", "helicopter", "spaceship", "tank", "ship", "train", "airplane", "drone"),
    *("dog", "horse", "cow", "sheep", "goat", "rabbit", "mouse", "bear", "panda", "lion", "tiger", "fox", "wolf"),
    *("monkey", "giraffe", "zebra", "rhinoceros", "hippopotamus", "deer", "squirrel", "hedgehog", "frog", "lizard"),
    *("crocodile", "dinosaur", "dragon", "snake", "snail", "butterfly", "bee", "spider", "crab", "shark", "whale"),
    *("dolphin", "octopus", "owl", "eagle", "parrot", "chicken", "rooster", "swan", "person", "soldier", "knight"),
    *("statue", "bust", "figurine", "skull", "monster", "ghost", "angel", "face", "hand", "flower", "rose", "plant"),
    *("leaf", "shell", "rock", "crystal", "bench", "desk", "shelf", "cabinet", "drawer", "door", "mirror", "ladder"),
    *("television", "laptop", "keyboard", "computer mouse", "telephone", "headphones", "speaker", "microphone"),
    *("piano", "violin", "drum", "trumpet", "fire hydrant", "traffic light", "street lamp", "mailbox", "fountain"),
    *("church", "temple", "bridge", "lighthouse", "hut", "tent", "well", "fence", "wheel", "engine", "sword", "shield"),
    *("radio", "axe", "bow", "pistol", "rifle", "cannon", "bomb", "anchor", "treasure chest", "bell", "pillow"),
)
"""Everyday things that the generator does not make."""


def words_of(kind: ClassWords) -> tuple[str, ...]:
    """Return the words of a kind."""
    return NOUNS if kind == "generator" else (*NOUNS, *EVERYDAY)
