"""Decoding of image files into pixels, with one clear line for anything else."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from viewdistill.errors import ViewDistillError
from viewdistill.input.foreign import describe_foreign

FORMATS = ("PNG", "WEBP", "TIFF", "GIF", "JPEG", "BMP", "AVIF", "JPEG2000", "PPM", "QOI", "ICO")
"""Accepted formats; JPEG includes MPO, which phones write. Others start interpreters or have no signature."""

MAX_PIXELS = 64_000_000
"""Largest decoded image, width times height: 8,000 x 8,000."""

MIN_SIDE = 8
"""Smallest side of an image and of the object's bounding box, pixels."""

EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image file."""

    image: Image.Image
    """Its first frame, upright."""
    orientation: int = 1
    """EXIF orientation that was applied, 1 to 8; 1 is upright as stored."""
    animated: bool = False
    """Whether more frames follow the first."""


def read_image(path: Path) -> Image.Image:
    """Decode the first frame of an image file, upright.

    Raises:
        ViewDistillError: The file cannot be used.
    """
    return read_picture(path).image


def read_picture(path: Path) -> DecodedImage:
    """Decode the first frame of an image file, upright, with its orientation and number of frames.

    Raises:
        ViewDistillError: The file cannot be used.
    """
    check_is_file(path)
    picture = decode(path)
    width, height = picture.image.size
    if min(width, height) < MIN_SIDE:
        raise ViewDistillError(f"{path}: only {width} x {height} pixels; use an image of 256 x 256 or more")
    return picture


def check_is_file(path: Path) -> None:
    """Reject paths that cannot be an image, before opening them.

    Raises:
        ViewDistillError: The path is missing, a directory or special file, empty, or unreachable.
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


def decode(path: Path) -> DecodedImage:
    """Decode the first frame of an image file, upright.

    Raises:
        ViewDistillError: Not an image of a known format, too large, or damaged.
    """
    with warnings.catch_warnings():
        # The size is checked below, by one limit; Pillow's warnings about metadata do not concern the user.
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))
                scale_transparent_value(image)
                image.load()
                orientation = image.getexif().get(EXIF_ORIENTATION, 1)
                return DecodedImage(ImageOps.exif_transpose(image), orientation, animated)
        except Image.DecompressionBombError as error:
            raise ViewDistillError(
                f"{path}: more than {MAX_PIXELS / 1e6:.0f} million pixels; scale it down (1024 x 1024 is plenty)"
            ) from error
        except PermissionError as error:
            raise ViewDistillError(f"{path}: no permission to read it") from error
        except Image.UnidentifiedImageError as error:
            found = describe_foreign(path)
            problem = f", but {found}" if found else "; save it as an RGBA PNG"
            raise ViewDistillError(f"{path}: not an image that can be read{problem}") from error
        # Decoders raise nearly anything on arbitrary bytes (struct, zlib, syntax, index errors, and memory errors for
        # sizes claimed by a damaged header): all mean a damaged file.
        except Exception as error:
            raise ViewDistillError(f"{path}: damaged image ({error}); save it again as an RGBA PNG") from error


def scale_transparent_value(image: Image.Image) -> None:
    """Scale a PNG's transparent colour to the decoded pixels; Pillow leaves it at the file's depth.

    Grey of 2 or 4 bits is decoded to 0 to 255, and colours of 16 bits to their upper byte.

    Args:
        image: Opened, not loaded yet.
    """
    value = image.info.get("transparency")
    tiles: Any = getattr(image, "tile", None)  # of files alone, and untyped
    raw_mode = tiles[0][3] if tiles else None
    if isinstance(value, int) and raw_mode in ("L;2", "L;4"):
        image.info["transparency"] = value * 255 // (2 ** int(raw_mode[-1]) - 1)
    elif isinstance(value, tuple) and raw_mode == "RGB;16B":
        image.info["transparency"] = tuple(channel >> 8 for channel in value)
