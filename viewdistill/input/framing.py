"""Framing: the object's place in the square picture that all later stages read."""

import numpy as np
from jaxtyping import UInt8

from viewdistill.errors import ViewDistillError
from viewdistill.input.regions import bounding_box, longer_side
from viewdistill.pictures import resize_pixels

FIT = 200 / 256
"""Share of the frame's side taken by the object's longer side in Zero-1-to-3's demo (200 of 256 pixels)."""

SMALLEST_SIDE = 256
"""Smallest side of the framed image, pixels: Zero-1-to-3's own."""

LARGEST_SIDE = 1024
"""Largest side of the framed image, pixels: that of the textures; no later stage gains from more."""


def native_side(rgba: UInt8[np.ndarray, "height width 4"], kept: bool = False) -> int:
    """Return the side of the framed image that keeps the object's resolution, within the limits.

    Args:
        rgba: The image with straight alpha.
        kept: Whether the framing is kept instead of fitted to the object.
    """
    side = rgba.shape[0] if kept else round(longer_side(rgba) / FIT)
    return min(max(side, SMALLEST_SIDE), LARGEST_SIDE)


def fit_framing(
    rgba: UInt8[np.ndarray, "height width 4"], size: int = SMALLEST_SIDE, fit: float = FIT
) -> UInt8[np.ndarray, "size size 4"]:
    """Crop to the object, scale its longer side to a share of the frame and centre it, as Zero-1-to-3's demo does.

    Args:
        rgba: The image with straight alpha.
        size: Side of the result, pixels.
        fit: Share of ``size`` that the object's longer side takes.

    Returns:
        The framed image; transparent around the object.
    """
    top, bottom, left, right = bounding_box(rgba)
    scale = fit * size / max(bottom - top, right - left)
    height, width = max(1, round(scale * (bottom - top))), max(1, round(scale * (right - left)))
    crop = resize_pixels(rgba[top:bottom, left:right], (height, width))
    framed = np.zeros((size, size, 4), np.uint8)
    y, x = (size - height) // 2, (size - width) // 2
    framed[y : y + height, x : x + width] = crop
    return framed


def keep_framing(
    rgba: UInt8[np.ndarray, "height width 4"], size: int = SMALLEST_SIDE
) -> UInt8[np.ndarray, "size size 4"]:
    """Scale a square image without moving the object in it, for images whose camera is known exactly.

    Args:
        rgba: The image with straight alpha.
        size: Side of the result, pixels.

    Raises:
        ViewDistillError: The image is not square, so it cannot be a view of the standard camera.
    """
    height, width = rgba.shape[:2]
    if height != width:
        raise ViewDistillError(
            f"a {width} x {height} image cannot keep its framing, because the camera's image is square; "
            "pad it to a square or let it be framed"
        )
    if height == size:
        return rgba
    return resize_pixels(rgba, size)
