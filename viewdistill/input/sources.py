"""What an object can be cut out by; apart from the rest, so that it can be named without loading what cuts."""

from typing import Literal

MaskSource = Literal["alpha", "mask", "plain", "matting", "grabcut"]
"""What cut the object out: the image's own alpha channel, a mask that the user gave, its plain background, a
segmentation network, or GrabCut."""

WORDS: dict[MaskSource, str] = {
    "alpha": "its alpha channel",
    "mask": "the mask",
    "plain": "its plain background",
    "matting": "matting",
    "grabcut": "GrabCut",
}
"""Each in words."""
