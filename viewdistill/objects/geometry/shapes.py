"""Round and box-shaped primitives from which the object families are assembled.

Axes are those of the objects: z up, the front towards +x. `box`, `cylinder` and `prism` stand on the plane z = 0; round
solids (`ellipsoid`, `superquadric`, `torus`) are centred at the origin. Lengths are in a family's own units: the
generator scales whole objects into a unit box. Every solid is watertight by itself; solids may overlap.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from viewdistill.objects.geometry.solid import Real, Solid, loft


def _circle(sides: int) -> Float[np.ndarray, "S 2"]:
    angle = np.arange(sides) * (2 * math.pi / sides)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def lathe(profile: Sequence[tuple[Real, Real]] | Float[np.ndarray, "K 2"], sides: int = 24) -> Solid:
    """The solid swept by a profile of (radius, height) points turned about the z axis.

    Zero radii are allowed at the two ends only, where they become poles; other ends are closed by flat caps.
    """
    points = np.asarray(profile, dtype=np.float64)
    on_axis = points[:, 0] <= 1e-9
    start = np.array([0.0, 0.0, points[0, 1]])
    end = np.array([0.0, 0.0, points[-1, 1]])
    kept = points[~on_axis]
    rings = np.concatenate(
        [
            kept[:, None, :1] * _circle(sides)[None],
            np.broadcast_to(kept[:, None, 1:], (len(kept), sides, 1)),
        ],
        -1,
    )
    return loft(rings, start, end)


def cylinder(radius: Real, height: Real, top_radius: Real | None = None, sides: int = 24) -> Solid:
    """A cylinder, or a cone frustum (a cone for ``top_radius`` 0), standing on z = 0."""
    top = radius if top_radius is None else top_radius
    return lathe([(radius, 0.0), (top, height)], sides) if top > 0 else lathe([(radius, 0.0), (0.0, height)], sides)


def disc(radius: Real, thickness: Real, sides: int = 20) -> Solid:
    """A thin cylinder facing +x, centred at the origin."""
    return cylinder(radius, thickness, sides=sides).at(z=-thickness / 2).turned("y", 90)


def wheel(radius: Real, width: Real, sides: int = 20) -> Solid:
    """A wheel with rounded shoulders, its axle along y, centred at the origin."""
    shoulder, half = 0.82 * radius, width / 2
    return lathe([(shoulder, -half), (radius, -half * 0.5), (radius, half * 0.5), (shoulder, half)], sides).turned(
        "x", 90
    )


def ellipsoid(x: Real, y: Real | None = None, z: Real | None = None, sides: int = 20) -> Solid:
    """An ellipsoid of the given semi-axes (a ball when only one is given), centred at the origin."""
    latitude = np.linspace(-math.pi / 2, math.pi / 2, sides // 2 + 1)
    profile = np.stack([np.cos(latitude), np.sin(latitude)], -1)
    profile[[0, -1], 0] = 0.0
    return lathe(profile, sides).scaled(x, x if y is None else y, x if z is None else z)


def dome(radius: Real, height: Real, sides: int = 20) -> Solid:
    """The upper half of an ellipsoid, standing on z = 0."""
    latitude = np.linspace(0.0, math.pi / 2, sides // 3 + 1)
    profile = np.stack([radius * np.cos(latitude), height * np.sin(latitude)], -1)
    profile[-1, 0] = 0.0
    return lathe(profile, sides)


def superquadric(x: Real, y: Real, z: Real, vertical: Real = 1.0, horizontal: Real = 1.0, sides: int = 24) -> Solid:
    """A superellipsoid with semi-axes (x, y, z): exponents near 0 give boxes, 1 balls, 2 diamonds (Barr 1981).

    Args:
        x: Semi-axis along x.
        y: Semi-axis along y.
        z: Semi-axis along z.
        vertical: Exponent of the meridians, in (0, 2.5].
        horizontal: Exponent of the parallels, in (0, 2.5].
        sides: Points on each parallel, a multiple of four keeps the corners.

    Returns:
        The solid, centred at the origin.
    """
    latitude = np.linspace(-math.pi / 2, math.pi / 2, sides // 2 + 1)[1:-1]
    radius, height = _signed_power(np.cos(latitude), vertical), _signed_power(np.sin(latitude), vertical)
    around = _signed_power(_circle(sides), horizontal)
    rings = np.concatenate(
        [
            radius[:, None, None] * around[None],
            np.broadcast_to(height[:, None, None], (len(radius), sides, 1)),
        ],
        -1,
    )
    return loft(rings, np.array([0.0, 0.0, -1.0]), np.array([0.0, 0.0, 1.0])).scaled(x, y, z)


def _signed_power(values: Float[np.ndarray, "*n"], exponent: Real) -> Float[np.ndarray, "*n"]:
    return np.sign(values) * np.abs(values) ** exponent


def capsule(radius: Real, start: Sequence[Real], end: Sequence[Real], sides: int = 16) -> Solid:
    """A round-ended rod between the centres of its two end balls."""
    cap = np.linspace(0.0, math.pi / 2, sides // 4 + 1)[:-1]
    first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    axis = (last - first) / np.linalg.norm(last - first)
    along = radius * np.sin(cap)
    path = np.concatenate([first - along[::-1, None] * axis, last + along[:, None] * axis])
    radii = radius * np.concatenate([np.cos(cap)[::-1], np.cos(cap)])
    return tube(path, radii, sides, first - radius * axis, last + radius * axis)


def tube(
    path: Sequence[Sequence[Real]] | Float[np.ndarray, "K 3"],
    radius: Real | Sequence[Real] | Float[np.ndarray, "K"],
    sides: int = 12,
    start: Float[np.ndarray, "3"] | None = None,
    end: Float[np.ndarray, "3"] | None = None,
) -> Solid:
    """A round tube along a curve, with frames carried along it without twist and flat caps unless apexes are given."""
    points = np.asarray(path, dtype=np.float64)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    normal = np.cross(tangents[0], np.eye(3)[np.argmin(np.abs(tangents[0]))])
    across = np.empty_like(points)
    for k, tangent in enumerate(tangents):
        normal = normal - tangent * float(normal @ tangent)
        normal /= np.linalg.norm(normal)
        across[k] = normal
    frames = np.stack([across, np.cross(tangents, across)], 1)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(points),))
    offsets = np.einsum("sc,kcd->ksd", _circle(sides), frames)
    return loft(points[:, None] + radii[:, None, None] * offsets, start, end)


def curve(controls: Sequence[Sequence[Real]], count: int = 12) -> Float[np.ndarray, "K 3"]:
    """Points on the Bézier curve of the given control points."""
    points = np.asarray(controls, dtype=np.float64)
    u = np.linspace(0.0, 1.0, count)[:, None]
    degree = len(points) - 1
    weights = [math.comb(degree, k) * u**k * (1 - u) ** (degree - k) for k in range(degree + 1)]
    return np.sum([w * p for w, p in zip(weights, points, strict=True)], axis=0)


def torus(radius: Real, thickness: Real, sides: int = 24, around: int = 12) -> Solid:
    """A full ring about the z axis: ``radius`` to the middle of the tube, whose own radius is ``thickness``."""
    section, turn = _circle(around), _circle(sides)
    distance = radius + thickness * section[:, 0]
    rings = np.stack(
        [
            turn[:, :1] * distance,
            turn[:, 1:] * distance,
            np.broadcast_to(thickness * section[:, 1], (sides, around)),
        ],
        -1,
    )
    return loft(rings, closed=True)


def arch(radius: Real, thickness: Real, start: Real, stop: Real, count: int = 14, around: int = 12) -> Solid:
    """Part of a ring in the yz-plane, from angle ``start`` to ``stop`` (degrees from +y towards +z)."""
    angle = np.radians(np.linspace(start, stop, count))
    path = np.stack([np.zeros(count), radius * np.cos(angle), radius * np.sin(angle)], -1)
    return tube(path, thickness, around)


def box(x: Real, y: Real, z: Real, bevel: Real = 0.0, taper: Real = 1.0) -> Solid:
    """A box with side lengths (x, y, z) standing on z = 0.

    Args:
        x: Depth.
        y: Width.
        z: Height.
        bevel: Width cut off every edge, below half the shortest side; 0 gives sharp edges.
        taper: Size of the top relative to the bottom.

    Returns:
        The solid.
    """
    if bevel <= 0:
        corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * np.array([x / 2, y / 2])
        levels = [(corners, 0.0), (corners * taper, z)]
    else:
        full, inset = _cut_rectangle(x, y, bevel), _cut_rectangle(x - 2 * bevel, y - 2 * bevel, bevel * 0.2)
        levels = [(inset, 0.0), (full, bevel), (full * taper, z - bevel), (inset * taper, z)]
    rings = np.stack([np.concatenate([xy, np.full((len(xy), 1), height)], 1) for xy, height in levels])
    return loft(rings)


def _cut_rectangle(x: Real, y: Real, cut: Real) -> Float[np.ndarray, "8 2"]:
    hx, hy = x / 2, y / 2
    quarter = np.array([[hx, hy - cut], [hx - cut, hy]])
    return np.concatenate([quarter, quarter[::-1] * [-1, 1], -quarter, quarter[::-1] * [1, -1]])
