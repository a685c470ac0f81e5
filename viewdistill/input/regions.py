"""What of an alpha channel is the object: specks do not count, half-transparent bodies do; and doubts in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage as untyped_ndimage

from viewdistill.input.closed_form import grow

ndimage: Any = untyped_ndimage  # its stubs do not know what `label` gives

FOREGROUND_ALPHA = 26
"""Alpha from which a pixel belongs to the object (a tenth of full): faint halos do not move the frame."""

SPECK = 0.02
"""Share of the largest region's area from which another region counts wherever it is."""

DETAIL = 0.002
"""Share from which it counts within the box around the regions that count: eyes, strings, buttons."""

SEPARATE = 0.15
"""Share from which a region is an object of its own."""

HALO = 2
"""Pixels around the object in which faint alpha, the rim's, is kept."""

OPAQUE = 230
"""Alpha (nine tenths of full) below which a pixel away from the rim is half-transparent."""

CLEAR_SHARE = 0.02
"""Share of half-transparent pixels within the object from which they are made solid."""

RIM = 2
"""Width of the rim, pixels, which stays soft."""

THIN = 0.025
"""Width, of the object's longer side, below which a part is thin: some two pixels of a prior's picture."""

THINNEST = 0.015
"""Width of an object's thickest part below which nothing of it would be seen."""

CUT_SHARE = 0.04
"""Share of the object's longer side that lies on a border of the picture from which the border cuts it."""


@dataclass(frozen=True)
class Cleaned:
    """An image with an alpha channel that holds the object alone."""

    rgba: UInt8[np.ndarray, "height width 4"]
    """Straight alpha."""
    notes: tuple[str, ...]
    """What was left out or changed, a sentence each."""


def is_foreground(rgba: UInt8[np.ndarray, "height width 4"]) -> Bool[np.ndarray, "height width"]:
    """Which pixels belong to the object."""
    return rgba[..., 3] >= FOREGROUND_ALPHA


def clean(rgba: UInt8[np.ndarray, "height width 4"]) -> Cleaned:
    """Leave specks out and make half-transparent bodies solid.

    Args:
        rgba: With some foreground.
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
        notes.append(f"{share:.0%} of the object is half-transparent and counts as solid; a shadow has to be cut away")
    return Cleaned(solid, tuple(notes))


def object_regions(
    foreground: Bool[np.ndarray, "height width"],
) -> tuple[Bool[np.ndarray, "height width"], int]:
    """The regions that count, and how many others there are."""
    regions, count = ndimage.label(foreground, np.ones((3, 3), bool))
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    areas[0] = 0  # the ground
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
    """The image with half-transparent bodies solid, over white, and the share of such pixels; 0 where there are none.

    Over white the image stays what it was. The rim stays soft: there alpha is relative to the body's beside it.
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
    """Rows and columns that the object spans: top, bottom, left, right in pixels, the ends exclusive."""
    foreground = is_foreground(rgba)
    rows, columns = np.flatnonzero(foreground.any(1)), np.flatnonzero(foreground.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def longer_side(rgba: UInt8[np.ndarray, "height width 4"]) -> int:
    """Longer side of the object's bounding box, pixels."""
    top, bottom, left, right = bounding_box(rgba)
    return max(bottom - top, right - left)


def thickness(rgba: UInt8[np.ndarray, "height width 4"]) -> tuple[float, float]:
    """Width of the object's thickest part, pixels, and the share of its area that is thin."""
    foreground = np.pad(is_foreground(rgba), 1)
    distance = ndimage.distance_transform_edt(foreground)
    radius = THIN * longer_side(rgba) / 2
    core = distance > radius
    if not core.any():
        return 2 * float(distance.max()) - 1, 1.0
    thick = foreground & (ndimage.distance_transform_edt(~core) <= radius + 1)
    return 2 * float(distance.max()) - 1, 1 - float(thick.sum() / foreground.sum())


def object_doubts(rgba: UInt8[np.ndarray, "height width 4"]) -> list[str]:
    """What a user should know about the object before trusting its mesh, a sentence each."""
    doubts: list[str] = []
    if sides := cut_borders(rgba):
        noun = "border" if len(sides) == 1 else "borders"
        doubts.append(f"the object is cut by {len(sides)} {noun} of the picture ({', '.join(sides)})")
    regions, _ = ndimage.label(is_foreground(rgba), np.ones((3, 3), bool))
    areas = np.bincount(regions.ravel())[1:]
    if (objects := int((areas >= SEPARATE * areas.max()).sum())) > 1:
        number = {2: "two", 3: "three"}.get(objects, str(objects))
        doubts.append(f"{number} separate objects are in the picture and are taken for one; cut out one of them")
    _, thin = thickness(rgba)
    if thin > 0.5:
        doubts.append(f"{thin:.0%} of the object is thinner than {THIN:.1%} of its length: the mesh may miss it")
    return doubts


def cut_borders(rgba: UInt8[np.ndarray, "height width 4"]) -> list[str]:
    """Borders of the picture that the object lies on with more than a corner."""
    covered = rgba[..., 3] >= 128
    borders = {"top": covered[0], "bottom": covered[-1], "left": covered[:, 0], "right": covered[:, -1]}
    least = max(2, CUT_SHARE * longer_side(rgba))
    return [name for name, border in borders.items() if border.sum() >= least]
