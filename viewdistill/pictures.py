"""Conversions of pictures, each written once: bytes and floats, sizes, backgrounds, files.

Floats are in [0, 1]. Tensors have channels before height and width; NumPy arrays have them last, as files do. Alpha is
straight (not premultiplied) unless said.
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
"""Coverage below which the colour of a half-covered pixel is not told apart from the background's."""

Rgba = TypeVar("Rgba", Tensor, np.ndarray)


def to_bytes(image: Tensor | np.ndarray) -> UInt8[np.ndarray, "..."]:
    """A picture in [0, 1] as 8 bits, rounded half up; bytes stay as they are.

    Args:
        image: Of any shape, which stays; clamped, and what is not a number becomes 0.
    """
    array = image.detach().cpu().numpy() if isinstance(image, Tensor) else image
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise TypeError(f"a picture of {array.dtype}; expected floats in [0, 1] or uint8")
    return (np.clip(np.nan_to_num(array, nan=0.0), 0, 1) * 255 + 0.5).astype(np.uint8)


def to_pictures(images: Float[Tensor, "n c height width"]) -> list[UInt8[np.ndarray, "height width c"]]:
    """Tensors in [0, 1] as 8-bit pictures, channels last."""
    return list(to_bytes(images.movedim(1, -1)))


def to_tensor(pixels: UInt8[np.ndarray, "*batch height width c"]) -> Float[Tensor, "*batch c height width"]:
    """8-bit pictures, channels last, as floats in [0, 1], channels first."""
    return torch.from_numpy(np.array(pixels)).movedim(-1, -3) / 255


def resize(
    images: Float[Tensor, "batch c height width"], size: int | tuple[int, int], antialias: bool = True
) -> Float[Tensor, "batch c rows columns"]:
    """Pictures at another size, bilinear; differentiable.

    Args:
        images: Without alpha, or premultiplied by it (`resize_rgba` otherwise).
        size: Side, or height and width, pixels.
        antialias: Whether to smooth before making smaller.
    """
    shape = (size, size) if isinstance(size, int) else size
    if images.shape[-2:] == shape:
        return images
    return F.interpolate(images, shape, mode="bilinear", antialias=antialias, align_corners=False)


def resize_pixels(
    pixels: UInt8[np.ndarray, "height width c"], size: int | tuple[int, int]
) -> UInt8[np.ndarray, "rows columns c"]:
    """An 8-bit picture at another size, by Lanczos' filter; of RGBA the colours are weighted by alpha.

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
    """Colour over white and alpha at another size; resized together, so that no background bleeds into the rim."""
    both = resize(torch.cat([over_white(rgba), rgba[:, 3:]], 1), size).clamp(0, 1)
    return both[:, :3], both[:, 3:]


def over_white(rgba: Float[Tensor, "batch 4 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Pictures over white."""
    alpha = rgba[:, 3:]
    return rgba[:, :3] * alpha + (1 - alpha)


def straight_color(over_white_rgb: Rgba, alpha: Rgba) -> Rgba:
    """The colour of pictures that were put over white: what shines through half-covered pixels is taken away again.

    Args:
        over_white_rgb: In [0, 1].
        alpha: In [0, 1], of a shape that broadcasts against it.

    Returns:
        In [0, 1]; without meaning where alpha is 0.
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
    """A picture that a stage wrote; pictures that users give come through `viewdistill.input`.

    Args:
        path: The file.
        mode: Pillow's mode, RGB or RGBA; None for the file's own.
        remedy: What to do where it cannot be read, for the message.

    Raises:
        ViewDistillError: The file is missing, is no regular file, or is damaged.
    """
    require_regular(path, remedy)
    try:
        with Image.open(path) as image:
            return image.convert(mode) if mode else image.copy()
    # What Pillow raises over damaged files and over those that claim to be enormous.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ViewDistillError(f"{path}: not readable ({error}); {remedy}") from error


def read_rgb(path: Path, remedy: str = "delete it and run its stage again") -> Float[Tensor, "3 height width"]:
    """Colours in [0, 1] of a picture that a stage wrote.

    Raises:
        ViewDistillError: The file is missing or damaged.
    """
    return to_tensor(np.asarray(read_picture(path, "RGB", remedy)))


def read_rgb_over_white(path: Path, remedy: str) -> UInt8[np.ndarray, "height width 3"]:
    """An RGBA picture that a stage wrote over white, 8 bits.

    Raises:
        ViewDistillError: The file is missing or damaged.
    """
    picture: Any = read_picture(path, "RGBA", remedy)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"))
