"""Polygons extruded into solids: prisms, side views and front views."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from viewdistill.objects.geometry.solid import Real, Solid, outward


def prism(polygon: Sequence[Sequence[Real]] | Float[np.ndarray, "P 2"], height: Real) -> Solid:
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
    return outward(np.concatenate([low, high]), np.concatenate([caps[:, ::-turn], (caps + count)[:, ::turn], walls]))


def extruded_x(polygon: Sequence[Sequence[Real]] | Float[np.ndarray, "P 2"], length: Real) -> Solid:
    """A polygon given as (y, z) points extruded along x, centred at x = 0: roofs, door arches, shields."""
    solid = prism(polygon, length)
    return Solid(solid.vertices[:, [2, 0, 1]] - np.array([length / 2, 0.0, 0.0]), solid.faces)


def extruded_y(polygon: Sequence[Sequence[Real]] | Float[np.ndarray, "P 2"], width: Real) -> Solid:
    """A side view given as (x, z) points extruded along y, centred at y = 0: car bodies, fins, wings."""
    solid = prism(polygon, width)
    vertices = np.stack([solid.vertices[:, 0], solid.vertices[:, 2] - width / 2, solid.vertices[:, 1]], 1)
    return outward(vertices, solid.faces)


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
