"""Cutting the object out of an image file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.input.closed_form import soften_rim, without_background_color
from viewdistill.input.decoding import MIN_SIDE, DecodedImage, read_picture
from viewdistill.input.masks import read_mask
from viewdistill.input.photographs import grabcut_mask, matte_doubts, network_mask
from viewdistill.input.pixels import has_alpha, to_rgba
from viewdistill.input.plain_background import plain_background
from viewdistill.input.regions import (
    THINNEST,
    bounding_box,
    clean,
    is_foreground,
    longer_side,
    object_doubts,
    object_regions,
    thickness,
)
from viewdistill.input.sources import WORDS, MaskSource

WORKING_SIDE = 4096
"""Largest longer side, pixels, to which pictures are scaled down: several times the framed image's limit."""

MATTING_SIDE = 2048
"""Longer side of the picture for finding an object without a mask, pixels."""

REMEDY = "cut the object out and save it as an RGBA PNG, or give --mask MASK.png"


@dataclass(frozen=True)
class CutOut:
    """An object without its background."""

    rgba: UInt8[np.ndarray, "height width 4"]
    """The pixels, straight alpha."""
    mask_source: MaskSource
    """Source of the alpha channel."""
    notes: tuple[str, ...] = ()
    """Changes, omissions and doubts, one sentence each."""


def load_cut_out(path: Path, mask: Path | None = None) -> CutOut:
    """Read an image and cut its object out.

    EXIF rotation is applied; palette, grey, CMYK and 16-bit images and those with an ICC profile are converted to sRGB;
    of animations the first frame is taken. A given mask takes precedence over the image's alpha channel, then a plain
    background, then the object in a photograph.

    Args:
        path: The image file.
        mask: An image of the same size, the object white or, where it has an alpha channel, opaque.

    Raises:
        ViewDistillError: A file is missing, no image, too large or damaged; the mask has another size; or the
            foreground is empty, covers everything, or is too small or too thin.
    """
    picture = read_picture(path)
    notes = ("only the first frame of the animation is taken",) if picture.animated else ()
    found = find_object(picture, path, mask)
    check_foreground(found.rgba, path, WORDS[found.mask_source])
    cleaned = clean(scaled_down(found.rgba))
    check_size(cleaned.rgba, path)
    return CutOut(cleaned.rgba, found.mask_source, (*notes, *found.notes, *cleaned.notes, *object_doubts(cleaned.rgba)))


def find_object(picture: DecodedImage, path: Path, mask: Path | None) -> CutOut:
    """Return the picture with an alpha channel, and the source of that channel."""
    rgba = to_rgba(picture.image)
    if mask is not None:
        rgba[..., 3], notes = read_mask(mask, picture)
        return CutOut(rgba, "mask", notes)
    if has_alpha(picture.image) and not is_foreground(rgba).all():
        return CutOut(rgba, "alpha")
    image = Image.fromarray(rgba[..., :3])
    image.thumbnail((MATTING_SIDE, MATTING_SIDE), Image.Resampling.LANCZOS)
    rgb = np.asarray(image)
    ground = plain_background(rgb / 255)
    if ground is not None:
        whole, _ = object_regions(~ground)  # without pinholes from noise in the background
        return CutOut(with_soft_rim(rgb, whole), "plain")
    coverage = network_mask(image, path)
    if coverage is not None:
        doubts = matte_doubts(rgb, coverage > 127)
        return CutOut(np.dstack([rgb, coverage]), "matting", likely_wrong(doubts))
    middle = grabcut_mask(rgb)
    note = "the object was cut out by GrabCut from the middle of a photograph; check it, or give --mask MASK.png"
    return CutOut(with_soft_rim(rgb, middle), "grabcut", (note, *likely_wrong(matte_doubts(rgb, middle))))


def scaled_down(rgba: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "_ _ 4"]:
    """Return the image, scaled down to `WORKING_SIDE` if larger."""
    if max(rgba.shape[:2]) <= WORKING_SIDE:
        return rgba
    image = Image.fromarray(rgba)
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS)
    return np.array(image)


def likely_wrong(doubts: str | None) -> tuple[str, ...]:
    """Return the doubts about a matte as a note."""
    return (f"the matte is likely wrong: {doubts}",) if doubts else ()


def with_soft_rim(
    rgb: UInt8[np.ndarray, "height width 3"], mask: Bool[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 4"]:
    """Return a hard cut-out with a soft rim, free of the background's colour."""
    colors = rgb / 255
    alpha = soften_rim(colors, mask)
    colors = without_background_color(colors, alpha)
    return (np.dstack([colors, alpha]) * 255 + 0.5).astype(np.uint8)


def check_foreground(rgba: UInt8[np.ndarray, "height width 4"], path: Path, source: str) -> None:
    """Check that the alpha channel cuts something out.

    Args:
        rgba: The image.
        path: Its file, for messages.
        source: Source of the alpha channel, in words.

    Raises:
        ViewDistillError: Nothing or everything is foreground.
    """
    foreground = is_foreground(rgba)
    if not foreground.any():
        faint = f" (largest alpha {rgba[..., 3].max()} of 255)" if rgba[..., 3].any() else ""
        raise ViewDistillError(f"{path}: no foreground, {source} leaves nothing of it{faint}; {REMEDY}")
    if foreground.all():
        raise ViewDistillError(f"{path}: no background, {source} keeps all of it; {REMEDY}")


def check_size(rgba: UInt8[np.ndarray, "height width 4"], path: Path) -> None:
    """Check that the object is large enough.

    Raises:
        ViewDistillError: The object is a speck or a line.
    """
    top, bottom, left, right = bounding_box(rgba)
    size = f"{right - left} x {bottom - top} pixels"
    if longer_side(rgba) < MIN_SIDE:
        raise ViewDistillError(f"{path}: the object covers only {size}; use a larger picture of it")
    thickest, _ = thickness(rgba)
    if thickest < THINNEST * longer_side(rgba):
        raise ViewDistillError(
            f"{path}: the object is too thin, {thickest:.0f} pixels at its thickest of {size}; "
            "nothing of it would be left in the 64 pixels or so that a prior sees"
        )
