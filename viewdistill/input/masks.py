"""The user's masks, turned with their pictures."""

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
"""EXIF orientation → operation that turns the picture upright."""

BETTER = 1.5
"""Factor by which a turned mask must follow the picture's edges better to be used."""

TURNED = "the mask fits the picture only before its EXIF rotation and was turned with it"


def read_mask(path: Path, picture: DecodedImage) -> tuple[UInt8[np.ndarray, "height width"], tuple[str, ...]]:
    """Read coverage from an image of a mask: its alpha channel if that cuts something out, else its brightness.

    Many programs ignore the EXIF rotation of a photograph, and their masks fit the picture as it is stored. Such a mask
    is recognised by its size or by its fit to the picture's edges, and turned.

    Args:
        path: The mask's file.
        picture: The picture it masks.

    Returns:
        The mask, and a note if it was turned.

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
    """Convert an image of a mask to coverage, 255 for full."""
    rgba = to_rgba(image)
    if has_alpha(image) and (rgba[..., 3] < 255).any():
        return rgba[..., 3]
    return np.asarray(Image.fromarray(rgba[..., :3]).convert("L"))


def edge_share(mask: UInt8[np.ndarray, "height width"], picture: DecodedImage) -> float:
    """Return the picture's mean edge strength along the mask's outline, relative to the whole picture."""
    grey = np.asarray(picture.image.convert("L"), dtype=np.float64)
    edges = ndimage.gaussian_gradient_magnitude(grey, 1.0)
    outline = ndimage.gaussian_gradient_magnitude(mask.astype(np.float64), 1.0)
    total = outline.sum() * edges.mean()
    return float((outline * edges).sum() / total) if total else 0.0
