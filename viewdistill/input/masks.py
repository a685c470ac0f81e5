"""Masks that the user gives, turned as their picture was."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from scipy import ndimage

from viewdistill.errors import ViewDistillError
from viewdistill.input.decoding import DecodedImage, read_image
from viewdistill.input.pixels import has_alpha, to_rgba

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of an EXIF orientation upright."""

BETTER = 1.5
"""How many times better a turned mask has to follow the picture's edges to be taken."""

TURNED = "the mask fits the picture before its EXIF rotation only, and was turned with it"


def read_mask(path: Path, picture: DecodedImage) -> tuple[UInt8[np.ndarray, "height width"], tuple[str, ...]]:
    """Coverage from an image of a mask: its alpha channel where it cuts something out, else its brightness.

    Many programs ignore the EXIF rotation of a photograph, and their masks fit the picture as it is stored. Such a mask
    is recognised by its size, or by how it follows the picture's edges, and turned.

    Args:
        path: The mask's file.
        picture: What it is the mask of.

    Returns:
        The mask, and a note where it was turned.

    Raises:
        ViewDistillError: The file cannot be used, or has another size than the picture.
    """
    mask, size = coverage(read_image(path)), picture.image.size
    turn = TURNS.get(picture.orientation)
    turned = mask if turn is None else np.asarray(Image.fromarray(mask).transpose(turn))
    fits, turned_fits = mask.shape[::-1] == size, turn is not None and turned.shape[::-1] == size
    if not fits and not turned_fits:
        raise ViewDistillError(
            f"{path}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels and the image {size[0]} x {size[1]}; "
            "give a mask of the image's size"
        )
    if turned_fits and (not fits or edge_share(turned, picture) > BETTER * edge_share(mask, picture)):
        return turned, (TURNED,)
    return mask, ()


def coverage(image: Image.Image) -> UInt8[np.ndarray, "height width"]:
    """An image of a mask as coverage, 255 for all."""
    rgba = to_rgba(image)
    if has_alpha(image) and (rgba[..., 3] < 255).any():
        return rgba[..., 3]
    return np.asarray(Image.fromarray(rgba[..., :3]).convert("L"))


def edge_share(mask: UInt8[np.ndarray, "height width"], picture: DecodedImage) -> float:
    """How strong the picture's edges are along the mask's outline, relative to the picture's mean."""
    grey = np.asarray(picture.image.convert("L"), dtype=np.float64)
    edges = ndimage.gaussian_gradient_magnitude(grey, 1.0)
    outline = ndimage.gaussian_gradient_magnitude(mask.astype(np.float64), 1.0)
    total = outline.sum() * edges.mean()
    return float((outline * edges).sum() / total) if total else 0.0
