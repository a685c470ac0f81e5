"""Sources of a cut-out; in a module of their own, which imports no segmentation code."""

from typing import Literal

MaskSource = Literal["alpha", "mask", "plain", "matting", "grabcut"]
"""Source of a cut-out: the image's own alpha channel, the user's mask, a plain background, a segmentation network, or
GrabCut."""

WORDS: dict[MaskSource, str] = {
    "alpha": "its alpha channel",
    "mask": "the mask",
    "plain": "its plain background",
    "matting": "matting",
    "grabcut": "GrabCut",
}
"""The sources in words."""
