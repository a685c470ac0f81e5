"""Groups of solids shared by several families: parts, four corners, eyes, wheels, petals around an axis."""

from collections.abc import Sequence

import numpy as np

from viewdistill.objects.geometry.parts import Part
from viewdistill.objects.geometry.shapes import ellipsoid, wheel
from viewdistill.objects.geometry.solid import Axis, Real, Solid, merged


def part(slot: str, *solids: Solid) -> Part:
    """A part of one material slot made of any number of solids."""
    whole = merged(solids)
    return Part(whole.vertices, whole.faces, slot)


def chance(rng: np.random.Generator, probability: Real) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < probability)


def either_side(solid: Solid) -> tuple[Solid, Solid]:
    """The solid and its mirror image across the xz-plane."""
    return solid, solid.mirrored()


def four_corners(solid: Solid, x: Real, y: Real) -> list[Solid]:
    """Copies of a solid at (±x, ±y)."""
    return [solid.at(sx * x, sy * y) for sx in (-1, 1) for sy in (-1, 1)]


def around(solid: Solid, count: int, axis: Axis = "z", first: Real = 0.0) -> list[Solid]:
    """``count`` copies of a solid turned evenly about an axis, the first by ``first`` degrees."""
    return [solid.turned(axis, first + 360.0 * k / count) for k in range(count)]


def eyes(radius: Real, x: Real, y: Real, z: Real) -> list[Solid]:
    """Two balls looking towards +x, at (x, ±y, z)."""
    return [ellipsoid(radius, sides=12).at(x, side * y, z) for side in (-1, 1)]


def wheels(radius: Real, width: Real, positions: Sequence[Real], y: Real) -> list[Solid]:
    """A wheel on the ground at (x, ±y) for each x of ``positions``."""
    return [wheel(radius, width).at(x, side * y, radius) for x in positions for side in (-1, 1)]


def hubs(radius: Real, width: Real, positions: Sequence[Real], y: Real) -> list[Solid]:
    """Hub caps half as wide as the wheels of `wheels`, standing out of them a little."""
    return [wheel(0.45 * radius, 1.25 * width, 12).at(x, side * y, radius) for x in positions for side in (-1, 1)]
