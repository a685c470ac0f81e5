"""The input image: reading it safely and framing the object as Zero-1-to-3 expects it.

Images are 8-bit RGBA arrays [H, W, 4] with straight (not premultiplied) alpha; row 0 is the top.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps

from viewdistill.errors import ViewDistillError
from viewdistill.matting import object_mask

FORMATS = ("PNG", "WEBP", "TIFF", "GIF", "JPEG", "BMP", "AVIF")
"""Formats that are tried. Others in Pillow start interpreters (EPS) or have no use here."""

MAX_PIXELS = 64_000_000
"""Largest image that is decoded, width times height: 8,000 x 8,000."""

MIN_OBJECT_SIDE = 8
"""Smallest side of the object's bounding box, pixels: below it there is nothing to see."""

FOREGROUND_ALPHA = 26
"""Alpha from which a pixel belongs to the object (a tenth of full): faint halos do not move the frame."""

FIT = 200 / 256
"""Share of the frame's side that the object's longer side takes in Zero-1-to-3's demo (facts: 200 of 256 pixels)."""


MaskSource = Literal["alpha", "mask", "matting"]
"""What cut the object out: the image's own alpha channel, a mask that the user gave, or matting."""

WORDS = {"alpha": "its alpha channel", "mask": "the mask", "matting": "matting"}


@dataclass(frozen=True)
class CutOut:
    """An object without its background."""

    rgba: UInt8[np.ndarray, "height width 4"]
    """The pixels, straight alpha."""
    mask_source: MaskSource
    """Where the alpha comes from."""


def load_cut_out(path: Path, mask: Path | None = None) -> CutOut:
    """Read an image and cut its object out.

    EXIF rotation is applied; palette, grey, CMYK and 16-bit images are converted; of animations the first frame is
    taken. A mask that is given comes before the image's alpha channel, and matting comes last.

    Args:
        path: The image file.
        mask: An image of the same size, the object white or, where it has an alpha channel, opaque.

    Raises:
        ViewDistillError: A file is missing or no image, is too large or damaged; the mask has another size; the object
            is not cut out and matting is not installed; or nothing or everything is foreground.
    """
    image = read_image(path)
    rgba = to_rgba(image)
    if mask is not None:
        source, rgba[..., 3] = "mask", read_mask(mask, image.size)
    elif has_alpha(image) and not is_foreground(rgba).all():
        source = "alpha"
    else:
        source, rgba[..., 3] = "matting", object_mask(Image.fromarray(rgba[..., :3]), path)
    check_foreground(rgba, path, WORDS[source])
    return CutOut(rgba, source)


def read_image(path: Path) -> Image.Image:
    """The first frame of an image file, upright.

    Raises:
        ViewDistillError: The file cannot be used.
    """
    check_is_file(path)
    image = decode(path)
    if max(image.size) < MIN_OBJECT_SIDE:
        raise ViewDistillError(f"{path}: only {image.width} x {image.height} pixels; use an image of 256 x 256 or more")
    return image


def read_mask(path: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    """Coverage from an image of a mask: its alpha channel where it cuts something out, else its brightness.

    Raises:
        ViewDistillError: The file cannot be used, or has not the given width and height.
    """
    image = read_image(path)
    if image.size != size:
        raise ViewDistillError(
            f"{path}: the mask has {image.width} x {image.height} pixels and the image {size[0]} x {size[1]}; "
            "give a mask of the image's size"
        )
    rgba = to_rgba(image)
    if has_alpha(image) and (rgba[..., 3] < 255).any():
        return rgba[..., 3]
    return np.asarray(Image.fromarray(rgba[..., :3]).convert("L"))


def to_rgba(image: Image.Image) -> UInt8[np.ndarray, "height width 4"]:
    """Eight bits a channel, straight alpha, whatever the mode."""
    if image.mode == "F" or image.mode.startswith("I"):
        # Pillow clips such values at 255 where they should be scaled; floating point is taken as [0, 1] where it fits.
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        white = 65_535 if image.mode != "F" else 1 if values.max() <= 1 else 255
        image = Image.fromarray(((values / white).clip(0, 1) * 255 + 0.5).astype(np.uint8))
    return np.array(image.convert("RGBA"))


def check_is_file(path: Path) -> None:
    """Refuse what cannot be an image before it is opened.

    Raises:
        ViewDistillError: Missing, a directory or another special file, empty, or not reachable.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise ViewDistillError(f"{path}: no such file; give the path of an image") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ViewDistillError(f"{path}: cannot be read ({reason}); give the path of an image") from error
    if not path.is_file():
        what = "a directory" if path.is_dir() else "not a regular file"
        raise ViewDistillError(f"{path}: {what}; give the path of an image")
    if status.st_size == 0:
        raise ViewDistillError(f"{path}: empty file; give the path of an image")


def decode(path: Path) -> Image.Image:
    """Decode the first frame of an image file, upright.

    Raises:
        ViewDistillError: Not an image of a known format, too large, or damaged.
    """
    with warnings.catch_warnings():
        # Sizes are judged below, by one limit; what Pillow warns about in a file's metadata is not the user's concern.
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                image.load()
                return ImageOps.exif_transpose(image)
        except Image.DecompressionBombError as error:
            raise ViewDistillError(
                f"{path}: more than {MAX_PIXELS / 1e6:.0f} million pixels; scale it down (1024 x 1024 is plenty)"
            ) from error
        except PermissionError as error:
            raise ViewDistillError(f"{path}: no permission to read it") from error
        except Image.UnidentifiedImageError as error:
            raise ViewDistillError(f"{path}: not an image that can be read; save it as an RGBA PNG") from error
        # Decoders meet arbitrary bytes and raise nearly anything (struct, zlib, syntax, index errors): all mean one
        # thing.
        except Exception as error:
            raise ViewDistillError(f"{path}: damaged image ({error}); save it again as an RGBA PNG") from error


def has_alpha(image: Image.Image) -> bool:
    """Whether the image carries transparency, as a channel or as a transparent palette entry or colour."""
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return True
    return "transparency" in image.info and image.mode in ("P", "RGB", "L", "1")


def is_foreground(rgba: UInt8[np.ndarray, "height width 4"]) -> Bool[np.ndarray, "height width"]:
    """Which pixels belong to the object."""
    return rgba[..., 3] >= FOREGROUND_ALPHA


def check_foreground(rgba: UInt8[np.ndarray, "height width 4"], path: Path, source: str) -> None:
    """Make sure that the alpha channel cuts out an object.

    Args:
        rgba: The image.
        path: Its file, for messages.
        source: What made the alpha channel, in words.

    Raises:
        ViewDistillError: Nothing or everything is foreground, or the object is a speck.
    """
    foreground = is_foreground(rgba)
    mend = "cut the object out and save it as an RGBA PNG, or give --mask MASK.png"
    if not foreground.any():
        raise ViewDistillError(f"{path}: no foreground, {source} leaves nothing of it; {mend}")
    if foreground.all():
        raise ViewDistillError(f"{path}: no background, {source} keeps all of it; {mend}")
    top, bottom, left, right = bounding_box(rgba)
    if max(bottom - top, right - left) < MIN_OBJECT_SIDE:
        raise ViewDistillError(
            f"{path}: the object is only {right - left} x {bottom - top} pixels; use a larger picture of it"
        )


def bounding_box(rgba: UInt8[np.ndarray, "height width 4"]) -> tuple[int, int, int, int]:
    """Rows and columns that the object spans: top, bottom, left, right in pixels, the ends exclusive."""
    foreground = is_foreground(rgba)
    rows, columns = np.flatnonzero(foreground.any(1)), np.flatnonzero(foreground.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def fit_framing(
    rgba: UInt8[np.ndarray, "height width 4"], size: int = 256, fit: float = FIT
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
    # Pillow resizes RGBA premultiplied, so hidden colours of transparent pixels do not bleed into the rim.
    crop = Image.fromarray(rgba[top:bottom, left:right]).resize((width, height), Image.Resampling.LANCZOS)
    framed = np.zeros((size, size, 4), np.uint8)
    y, x = (size - height) // 2, (size - width) // 2
    framed[y : y + height, x : x + width] = np.asarray(crop)
    return framed


def keep_framing(rgba: UInt8[np.ndarray, "height width 4"], size: int = 256) -> UInt8[np.ndarray, "size size 4"]:
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
    return np.asarray(Image.fromarray(rgba).resize((size, size), Image.Resampling.LANCZOS))
