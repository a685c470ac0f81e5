"""Solid primitives: closed triangle meshes with outward faces, from which the object families are assembled.

Axes are those of the objects: z up, the front towards +x. `box`, `cylinder` and `prism` stand on the plane z = 0; round
solids (`ellipsoid`, `superquadric`, `torus`) are centred at the origin. Lengths are in the own units of a family: the
generator scales whole objects into a unit box. Every solid is watertight by itself; solids may overlap.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

Axis = Literal["x", "y", "z"]
_OTHER_AXES: dict[Axis, tuple[int, int]] = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}


class Solid(NamedTuple):
    """A closed triangle mesh."""

    vertices: Float[np.ndarray, "V 3"]
    """Positions."""
    faces: Int[np.ndarray, "F 3"]
    """Vertex indices, anticlockwise seen from outside."""

    def at(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Solid":
        """The solid moved by (x, y, z)."""
        return Solid(self.vertices + np.array([x, y, z]), self.faces)

    def turned(self, axis: Axis, degrees: float) -> "Solid":
        """The solid rotated about a coordinate axis through the origin, right-handed, degrees."""
        i, j = _OTHER_AXES[axis]
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        vertices = self.vertices.copy()
        vertices[:, i] = cosine * self.vertices[:, i] - sine * self.vertices[:, j]
        vertices[:, j] = sine * self.vertices[:, i] + cosine * self.vertices[:, j]
        return Solid(vertices, self.faces)

    def scaled(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> "Solid":
        """The solid scaled by positive factors along the axes."""
        return Solid(self.vertices * np.array([x, y, z]), self.faces)

    def mirrored(self) -> "Solid":
        """The solid reflected from left to right (y to -y), faces still outward."""
        return Solid(self.vertices * np.array([1.0, -1.0, 1.0]), self.faces[:, ::-1])


def merged(solids: Sequence[Solid]) -> Solid:
    """One mesh holding all the solids, each still closed by itself."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in solids[:-1])])
    faces = np.concatenate([s.faces + offset for s, offset in zip(solids, offsets, strict=True)])
    return Solid(np.concatenate([s.vertices for s in solids]), faces)


def signed_volume(solid: Solid) -> float:
    """Volume enclosed, negative where the faces point inwards (divergence theorem)."""
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def _outward(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Solid:
    solid = Solid(vertices, faces)
    centred = Solid(vertices - vertices.mean(0), faces)
    return solid if signed_volume(centred) > 0 else Solid(vertices, faces[:, ::-1])


def loft(
    rings: Float[np.ndarray, "K S 3"],
    start: Float[np.ndarray, "3"] | None = None,
    end: Float[np.ndarray, "3"] | None = None,
    closed: bool = False,
) -> Solid:
    """The skin over a sequence of rings of points, closed by a fan at each end or, if ``closed``, into a loop.

    Args:
        rings: Consecutive cross-sections with corresponding points.
        start: Apex of the first fan; the first ring's centre when None.
        end: Apex of the last fan; the last ring's centre when None.
        closed: Join the last ring to the first instead of capping.

    Returns:
        The solid, oriented outwards.
    """
    count, sides = rings.shape[:2]
    index = np.arange(count * sides).reshape(count, sides)
    lower, upper = (index, np.roll(index, -1, 0)) if closed else (index[:-1], index[1:])
    a, b, c, d = lower, np.roll(lower, -1, 1), np.roll(upper, -1, 1), upper
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    points = [rings.reshape(-1, 3)]
    if not closed:
        points += [rings[0].mean(0)[None] if start is None else start[None]]
        points += [rings[-1].mean(0)[None] if end is None else end[None]]
        first, last, total = index[0], index[-1], count * sides
        faces.append(np.stack([np.roll(first, -1), first, np.full(sides, total)], -1))
        faces.append(np.stack([last, np.roll(last, -1), np.full(sides, total + 1)], -1))
    return _outward(np.concatenate(points).astype(np.float64), np.concatenate(faces).astype(np.int64))


def _circle(sides: int) -> Float[np.ndarray, "S 2"]:
    angle = np.arange(sides) * (2 * math.pi / sides)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def lathe(profile: Sequence[tuple[float, float]] | Float[np.ndarray, "K 2"], sides: int = 24) -> Solid:
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


def cylinder(radius: float, height: float, top_radius: float | None = None, sides: int = 24) -> Solid:
    """A cylinder, or a cone frustum (a cone for ``top_radius`` 0), standing on z = 0."""
    top = radius if top_radius is None else top_radius
    return lathe([(radius, 0.0), (top, height)], sides) if top > 0 else lathe([(radius, 0.0), (0.0, height)], sides)


def disc(radius: float, thickness: float, sides: int = 20) -> Solid:
    """A thin cylinder facing +x, centred at the origin."""
    return cylinder(radius, thickness, sides=sides).at(z=-thickness / 2).turned("y", 90)


def wheel(radius: float, width: float, sides: int = 20) -> Solid:
    """A wheel with rounded shoulders, its axle along y, centred at the origin."""
    shoulder, half = 0.82 * radius, width / 2
    return lathe([(shoulder, -half), (radius, -half * 0.5), (radius, half * 0.5), (shoulder, half)], sides).turned(
        "x", 90
    )


def ellipsoid(x: float, y: float | None = None, z: float | None = None, sides: int = 20) -> Solid:
    """An ellipsoid of the given semi-axes (a ball when only one is given), centred at the origin."""
    latitude = np.linspace(-math.pi / 2, math.pi / 2, sides // 2 + 1)
    profile = np.stack([np.cos(latitude), np.sin(latitude)], -1)
    profile[[0, -1], 0] = 0.0
    return lathe(profile, sides).scaled(x, x if y is None else y, x if z is None else z)


def dome(radius: float, height: float, sides: int = 20) -> Solid:
    """The upper half of an ellipsoid, standing on z = 0."""
    latitude = np.linspace(0.0, math.pi / 2, sides // 3 + 1)
    profile = np.stack([radius * np.cos(latitude), height * np.sin(latitude)], -1)
    profile[-1, 0] = 0.0
    return lathe(profile, sides)


def superquadric(
    x: float, y: float, z: float, vertical: float = 1.0, horizontal: float = 1.0, sides: int = 24
) -> Solid:
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


def _signed_power(values: Float[np.ndarray, "*n"], exponent: float) -> Float[np.ndarray, "*n"]:
    return np.sign(values) * np.abs(values) ** exponent


def capsule(radius: float, start: Sequence[float], end: Sequence[float], sides: int = 16) -> Solid:
    """A round-ended rod between the centres of its two end balls."""
    cap = np.linspace(0.0, math.pi / 2, sides // 4 + 1)[:-1]
    first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    axis = (last - first) / np.linalg.norm(last - first)
    along = radius * np.sin(cap)
    path = np.concatenate([first - along[::-1, None] * axis, last + along[:, None] * axis])
    radii = radius * np.concatenate([np.cos(cap)[::-1], np.cos(cap)])
    return tube(path, radii, sides, first - radius * axis, last + radius * axis)


def tube(
    path: Sequence[Sequence[float]] | Float[np.ndarray, "K 3"],
    radius: float | Sequence[float] | Float[np.ndarray, "K"],
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


def curve(controls: Sequence[Sequence[float]], count: int = 12) -> Float[np.ndarray, "K 3"]:
    """Points on the Bézier curve of the given control points."""
    points = np.asarray(controls, dtype=np.float64)
    u = np.linspace(0.0, 1.0, count)[:, None]
    degree = len(points) - 1
    weights = [math.comb(degree, k) * u**k * (1 - u) ** (degree - k) for k in range(degree + 1)]
    return np.sum([w * p for w, p in zip(weights, points, strict=True)], axis=0)


def torus(radius: float, thickness: float, sides: int = 24, around: int = 12) -> Solid:
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


def arch(radius: float, thickness: float, start: float, stop: float, count: int = 14, around: int = 12) -> Solid:
    """Part of a ring in the yz-plane, from angle ``start`` to ``stop`` (degrees from +y towards +z)."""
    angle = np.radians(np.linspace(start, stop, count))
    path = np.stack([np.zeros(count), radius * np.cos(angle), radius * np.sin(angle)], -1)
    return tube(path, thickness, around)


def box(x: float, y: float, z: float, bevel: float = 0.0, taper: float = 1.0) -> Solid:
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


def _cut_rectangle(x: float, y: float, cut: float) -> Float[np.ndarray, "8 2"]:
    hx, hy = x / 2, y / 2
    quarter = np.array([[hx, hy - cut], [hx - cut, hy]])
    return np.concatenate([quarter, quarter[::-1] * [-1, 1], -quarter, quarter[::-1] * [1, -1]])


def prism(polygon: Sequence[Sequence[float]] | Float[np.ndarray, "P 2"], height: float) -> Solid:
    """A simple polygon of the xy-plane (either direction, no crossings) extruded from z = 0 to ``height``."""
    outline = np.asarray(polygon, dtype=np.float64)
    count = len(outline)
    caps = _triangulated(outline)
    low = np.concatenate([outline, np.zeros((count, 1))], 1)
    high = np.concatenate([outline, np.full((count, 1), height)], 1)
    i = np.arange(count)
    j = np.roll(i, -1)
    walls = np.concatenate([np.stack([i, j, j + count], 1), np.stack([i, j + count, i + count], 1)])
    turn = 1 if _area(outline) > 0 else -1
    return _outward(np.concatenate([low, high]), np.concatenate([caps[:, ::-turn], (caps + count)[:, ::turn], walls]))


def extruded_x(polygon: Sequence[Sequence[float]] | Float[np.ndarray, "P 2"], length: float) -> Solid:
    """A polygon given as (y, z) points extruded along x, centred at x = 0: roofs, door arches, shields."""
    solid = prism(polygon, length)
    return Solid(solid.vertices[:, [2, 0, 1]] - np.array([length / 2, 0.0, 0.0]), solid.faces)


def extruded_y(polygon: Sequence[Sequence[float]] | Float[np.ndarray, "P 2"], width: float) -> Solid:
    """A side view given as (x, z) points extruded along y, centred at y = 0: car bodies, fins, wings."""
    solid = prism(polygon, width)
    vertices = np.stack([solid.vertices[:, 0], solid.vertices[:, 2] - width / 2, solid.vertices[:, 1]], 1)
    return _outward(vertices, solid.faces)


def _area(outline: Float[np.ndarray, "P 2"]) -> float:
    following = np.roll(outline, -1, 0)
    return float(np.sum(outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0]) / 2)


def _triangulated(outline: Float[np.ndarray, "P 2"]) -> Int[np.ndarray, "T 3"]:
    """Ear clipping: triangles anticlockwise in the plane, using the outline's own points only."""
    left = list(range(len(outline))) if _area(outline) > 0 else list(range(len(outline)))[::-1]
    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3:
        ear = next((k for k in range(len(left)) if _is_ear(outline, left, k)), 0)
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*triangles, tuple(left)], dtype=np.int64)


def _is_ear(outline: Float[np.ndarray, "P 2"], left: list[int], k: int) -> bool:
    a, b, c = outline[left[k - 1]], outline[left[k]], outline[left[(k + 1) % len(left)]]
    if _area(np.stack([a, b, c])) <= 1e-12:
        return False
    corners = {left[k - 1], left[k], left[(k + 1) % len(left)]}
    others = (outline[i] for i in left if i not in corners)
    return not any(
        _area(np.stack([a, b, p])) >= 0 and _area(np.stack([b, c, p])) >= 0 and _area(np.stack([c, a, p])) >= 0
        for p in others
    )
