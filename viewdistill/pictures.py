"""Conversions of pictures: bytes and floats, sizes, backgrounds, files.

Floats are in [0, 1]. Tensors have channels before height and width; NumPy arrays have them last, as files do. Alpha is
straight (not premultiplied) unless stated otherwise.
"""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from viewdistill.errors import ViewDistillError
from viewdistill.files import atomic_path, require_regular

SMALLEST_ALPHA = 1e-3
"""Coverage below which a pixel's colour cannot be separated from the background's."""

Rgba = TypeVar("Rgba", Tensor, np.ndarray)


def to_bytes(image: Tensor | np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Convert a picture in [0, 1] to 8 bits, rounding half up; 8-bit pictures are passed through.

    Args:
        image: Of any shape; clamped, with NaN set to 0.
    """
    array = image.detach().cpu().numpy() if isinstance(image, Tensor) else image
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise TypeError(f"a picture of {array.dtype}; expected floats in [0, 1] or uint8")
    return (np.clip(np.nan_to_num(array, nan=0.0), 0, 1) * 255 + 0.5).astype(np.uint8)


def to_pictures(images: Float[Tensor, "n c height width"]) -> list[UInt8[np.ndarray, "height width c"]]:
    """Convert tensors in [0, 1] to 8-bit pictures, channels last."""
    return list(to_bytes(images.movedim(1, -1)))


def to_tensor(pixels: UInt8[np.ndarray, "*batch height width c"]) -> Float[Tensor, "*batch c height width"]:
    """Convert 8-bit pictures, channels last, to floats in [0, 1], channels first."""
    return torch.from_numpy(np.array(pixels)).movedim(-1, -3) / 255


def resize(
    images: Float[Tensor, "batch c height width"], size: int | tuple[int, int], antialias: bool = True
) -> Float[Tensor, "batch c rows columns"]:
    """Resize pictures bilinearly; differentiable.

    Args:
        images: Without alpha, or premultiplied by it (`resize_rgba` otherwise).
        size: Side, or height and width, pixels.
        antialias: Whether to smooth before downscaling.
    """
    shape = (size, size) if isinstance(size, int) else size
    if images.shape[-2:] == shape:
        return images
    return F.interpolate(images, shape, mode="bilinear", antialias=antialias, align_corners=False)


def resize_pixels(
    pixels: UInt8[np.ndarray, "height width c"], size: int | tuple[int, int]
) -> UInt8[np.ndarray, "rows columns c"]:
    """Resize an 8-bit picture with Lanczos' filter; RGBA colours are weighted by alpha.

    Args:
        pixels: RGB or RGBA.
        size: Side, or height and width, pixels.
    """
    height, width = (size, size) if isinstance(size, int) else size
    # Pillow resizes RGBA premultiplied, so hidden colours of transparent pixels do not bleed into the rim.
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def resize_rgba(
    rgba: Float[Tensor, "batch 4 height width"], size: int | tuple[int, int]
) -> tuple[Float[Tensor, "batch 3 rows columns"], Float[Tensor, "batch 1 rows columns"]]:
    """Resize RGBA to colour over white and alpha, together, so that no background bleeds into the rim."""
    both = resize(torch.cat([over_white(rgba), rgba[:, 3:]], 1), size).clamp(0, 1)
    return both[:, :3], both[:, 3:]


def over_white(rgba: Float[Tensor, "batch 4 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Composite pictures over white."""
    alpha = rgba[:, 3:]
    return rgba[:, :3] * alpha + (1 - alpha)


def straight_color(over_white_rgb: Rgba, alpha: Rgba) -> Rgba:
    """Remove the white background from partly covered pixels.

    Args:
        over_white_rgb: In [0, 1].
        alpha: In [0, 1], of a shape that broadcasts against it.

    Returns:
        Straight colour in [0, 1]; undefined where alpha is 0.
    """
    solid = alpha.clip(SMALLEST_ALPHA, None)
    return ((over_white_rgb - (1 - alpha)) / solid).clip(0, 1)


def write_picture(path: Path, pixels: UInt8[np.ndarray, "height width c"], shared: bool = False) -> None:
    """Write a picture, atomically; the suffix chooses the format.

    Args:
        path: The file.
        pixels: RGB or RGBA.
        shared: Whether several processes may write the same file at once.

    Raises:
        ViewDistillError: The file system refuses.
    """
    with atomic_path(path, shared) as partial:
        Image.fromarray(np.ascontiguousarray(pixels)).save(partial)


def read_picture(path: Path, mode: str | None, remedy: str) -> Image.Image:
    """Read a picture written by a stage; users' pictures are read by `viewdistill.input`.

    Args:
        path: The file.
        mode: Pillow's mode, RGB or RGBA; None for the file's own.
        remedy: Advice, for the message, if it cannot be read.

    Raises:
        ViewDistillError: The file is missing, is no regular file, or is damaged.
    """
    require_regular(path, remedy)
    try:
        with Image.open(path) as image:
            return image.convert(mode) if mode else image.copy()
    # Pillow's errors for damaged files and for those that claim to be enormous.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ViewDistillError(f"{path}: not readable ({error}); {remedy}") from error


def read_rgb(path: Path, remedy: str = "delete it and run its stage again") -> Float[Tensor, "3 height width"]:
    """Read the colours, in [0, 1], of a picture written by a stage.

    Raises:
        ViewDistillError: The file is missing or damaged.
    """
    return to_tensor(np.asarray(read_picture(path, "RGB", remedy)))


def read_rgb_over_white(path: Path, remedy: str) -> UInt8[np.ndarray, "height width 3"]:
    """Read an RGBA picture written by a stage, composited over white, 8 bits.

    Raises:
        ViewDistillError: The file is missing or damaged.
    """
    picture: Any = read_picture(path, "RGBA", remedy)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"))
