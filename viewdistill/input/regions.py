"""The object in an alpha channel: specks are dropped, half-transparent bodies made solid, doubts noted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage as untyped_ndimage

from viewdistill.input.closed_form import grow

ndimage: Any = untyped_ndimage  # its stubs lack the result of `label`

FOREGROUND_ALPHA = 26
"""Smallest alpha of the object (a tenth of full): faint halos do not move the frame."""

SPECK = 0.02
"""Smallest area of a region that counts anywhere, relative to the largest region."""

DETAIL = 0.002
"""Smallest area of a region that counts within the box around these: eyes, strings, buttons."""

SEPARATE = 0.15
"""Smallest area of a region that counts as a separate object."""

HALO = 2
"""Distance from the object, pixels, within which the rim's faint alpha is kept."""

OPAQUE = 230
"""Alpha (nine tenths of full) below which a pixel away from the rim is half-transparent."""

CLEAR_SHARE = 0.02
"""Smallest share of half-transparent pixels in the object for which they are made solid."""

RIM = 2
"""Width of the soft rim, pixels."""

THIN = 0.025
"""Width below which a part is thin, relative to the object's longer side: about two pixels of a prior's picture."""

THINNEST = 0.015
"""Width of an object's thickest part below which it would be invisible."""

CUT_SHARE = 0.04
"""Smallest share of the object's longer side on a border of the picture for which the border cuts it."""


@dataclass(frozen=True)
class Cleaned:
    """An image whose alpha channel covers only the object."""

    rgba: UInt8[np.ndarray, "height width 4"]
    """Straight alpha."""
    notes: tuple[str, ...]
    """Omissions and changes, one sentence each."""


def is_foreground(rgba: UInt8[np.ndarray, "height width 4"]) -> Bool[np.ndarray, "height width"]:
    """Return the object's pixels."""
    return rgba[..., 3] >= FOREGROUND_ALPHA


def clean(rgba: UInt8[np.ndarray, "height width 4"]) -> Cleaned:
    """Drop specks and make half-transparent bodies solid.

    Args:
        rgba: An image with some foreground.
    """
    kept, left_out = object_regions(is_foreground(rgba))
    rgba = rgba.copy()
    rgba[~grow(kept, HALO), 3] = 0
    rgba[is_foreground(rgba) & ~kept, 3] = 0
    notes: list[str] = []
    if left_out:
        noun = "speck" if left_out == 1 else "specks"
        notes.append(f"{left_out} {noun} away from the object left out")
    solid, share = made_solid(rgba)
    if share:
        notes.append(f"{share:.0%} of the object is half-transparent and is made solid; cut away any shadow")
    return Cleaned(solid, tuple(notes))


def object_regions(
    foreground: Bool[np.ndarray, "height width"],
) -> tuple[Bool[np.ndarray, "height width"], int]:
    """Return the regions that count, and the number of others."""
    regions, count = ndimage.label(foreground, np.ones((3, 3), bool))
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    areas[0] = 0  # the background
    counts = areas >= SPECK * areas.max()
    large = counts[regions] & foreground
    rows, columns = np.flatnonzero(large.any(1)), np.flatnonzero(large.any(0))
    boxes = ndimage.find_objects(regions)
    for index in np.flatnonzero((areas >= DETAIL * areas.max()) & ~counts):
        across, along = boxes[index - 1]
        counts[index] = (
            rows[0] <= across.start
            and across.stop <= rows[-1] + 1
            and columns[0] <= along.start
            and along.stop <= columns[-1] + 1
        )
    counts[0] = False
    return counts[regions], int(count - counts.sum())


def made_solid(rgba: UInt8[np.ndarray, "height width 4"]) -> tuple[UInt8[np.ndarray, "height width 4"], float]:
    """Make half-transparent bodies solid, over white; return the image and the share of such pixels.

    The image over white does not change. The rim stays soft: its alpha is divided by that of the body beside it.
    """
    alpha, foreground = rgba[..., 3].astype(np.float64), is_foreground(rgba)
    inside = ~grow(~foreground, RIM)
    clear = inside & (rgba[..., 3] < OPAQUE)
    if clear.sum() < CLEAR_SHARE * foreground.sum():
        return rgba, 0.0
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    beside = np.maximum(alpha[tuple(nearest)], 1)
    solid = np.where(inside, 255.0, np.where(foreground, np.minimum(255 * alpha / beside, 255), alpha))
    share = np.divide(alpha, solid, out=np.ones_like(alpha), where=solid > 0)[..., None]
    result = np.dstack([rgba[..., :3] * share + 255 * (1 - share), solid])
    return (result + 0.5).clip(0, 255).astype(np.uint8), float(clear.sum() / foreground.sum())


def bounding_box(rgba: UInt8[np.ndarray, "height width 4"]) -> tuple[int, int, int, int]:
    """Return rows and columns that the object spans: top, bottom, left, right in pixels, the ends exclusive."""
    foreground = is_foreground(rgba)
    rows, columns = np.flatnonzero(foreground.any(1)), np.flatnonzero(foreground.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def longer_side(rgba: UInt8[np.ndarray, "height width 4"]) -> int:
    """Return the longer side of the object's bounding box, pixels."""
    top, bottom, left, right = bounding_box(rgba)
    return max(bottom - top, right - left)


def thickness(rgba: UInt8[np.ndarray, "height width 4"]) -> tuple[float, float]:
    """Return the width of the object's thickest part, pixels, and the share of its area that is thin."""
    foreground = np.pad(is_foreground(rgba), 1)
    distance = ndimage.distance_transform_edt(foreground)
    radius = THIN * longer_side(rgba) / 2
    core = distance > radius
    if not core.any():
        return 2 * float(distance.max()) - 1, 1.0
    thick = foreground & (ndimage.distance_transform_edt(~core) <= radius + 1)
    return 2 * float(distance.max()) - 1, 1 - float(thick.sum() / foreground.sum())


def object_doubts(rgba: UInt8[np.ndarray, "height width 4"]) -> list[str]:
    """Return warnings about the object that affect its mesh, one sentence each."""
    doubts: list[str] = []
    if sides := cut_borders(rgba):
        noun = "border" if len(sides) == 1 else "borders"
        doubts.append(f"the object is cut by {len(sides)} {noun} of the picture ({', '.join(sides)})")
    regions, _ = ndimage.label(is_foreground(rgba), np.ones((3, 3), bool))
    areas = np.bincount(regions.ravel())[1:]
    if (objects := int((areas >= SEPARATE * areas.max()).sum())) > 1:
        number = {2: "two", 3: "three"}.get(objects, str(objects))
        doubts.append(f"{number} separate objects are in the picture and are treated as one; cut out one of them")
    _, thin = thickness(rgba)
    if thin > 0.5:
        doubts.append(f"{thin:.0%} of the object is thinner than {THIN:.1%} of its length: the mesh may miss it")
    return doubts


def cut_borders(rgba: UInt8[np.ndarray, "height width 4"]) -> list[str]:
    """Return the borders of the picture that the object touches with more than a corner."""
    covered = rgba[..., 3] >= 128
    borders = {"top": covered[0], "bottom": covered[-1], "left": covered[:, 0], "right": covered[:, -1]}
    least = max(2, CUT_SHARE * longer_side(rgba))
    return [name for name, border in borders.items() if border.sum() >= least]
