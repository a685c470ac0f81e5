"""Points of a grid inside a mesh, closed or not.

The generalised winding number of a point (Jacobson et al. 2013) is the mean over all directions of the signed number of
times a ray leaves the surface. It is 1 inside, 0 outside, in between near a hole, and above 1 where parts overlap. Here
the mean is over six directions (both ways along each axis), in which all points of a grid line share their crossings:
each triangle is scan-converted onto the grid lines it covers, and one running sum along each line gives the counts. No
ray is stepped, so no crossing is missed or counted twice. Inside means above one half.

Names: ``entries`` +1 where a line goes into the surface and -1 where it comes out.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

PAIRS_PER_PASS = 1 << 22
"""Triangle-line pairs tested at once; bounds memory to about 500 MB."""

JITTER = np.array([1.37e-4, 0.71e-4])
"""Shift of the grid lines, in cells, so that they miss vertices and edges of meshes at round coordinates."""


def inside_grid(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    box: Float[np.ndarray, "2 3"],
    resolution: int,
) -> Bool[np.ndarray, "r r r"]:
    """Return whether the centres of the cells of a grid are inside a mesh.

    Faces must be oriented consistently, outwards or inwards; holes, loose parts and overlapping parts are allowed.

    Args:
        vertices: Positions, world units.
        faces: Triangles.
        box: Lower and upper corner of the grid.
        resolution: Cells along each axis.
    """
    winding = winding_grid(vertices, faces, box, resolution)
    return winding > 0.5 if winding.sum() >= 0 else winding < -0.5


def winding_grid(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    box: Float[np.ndarray, "2 3"],
    resolution: int,
) -> Float[np.ndarray, "r r r"]:
    """Return the winding number, over six directions, at the centres of the cells of a grid."""
    cells = (np.asarray(vertices, dtype=np.float64) - box[0]) / (box[1] - box[0]) * resolution
    corners = cells[faces] if len(faces) else np.zeros((0, 3, 3))
    corners = corners[np.isfinite(corners).all((1, 2))]
    total = np.zeros((resolution,) * 3, dtype=np.float32)
    for axis in range(3):
        # A cyclic change of axes keeps the orientation and thus the sign of the crossings.
        order = [(axis + 1) % 3, (axis + 2) % 3, axis]
        entries = _entries(corners[:, :, order], resolution)
        before = np.cumsum(entries, axis=2)[:, :, :-1]
        # Mean of the entries before a point, seen backwards, and those after it, seen forwards.
        both_ways = before - 0.5 * entries.sum(2, keepdims=True)
        total += np.moveaxis(both_ways, (0, 1, 2), order)
    return total / 3


def _entries(corners: Float[np.ndarray, "f 3 3"], resolution: int) -> Float[np.ndarray, "r r r_plus_1"]:
    """Return entries along the lines in the third axis, by the index of the first cell centre beyond them."""
    flat = np.zeros(resolution * resolution * (resolution + 1), dtype=np.float64)
    first = np.ceil(corners[:, :, :2].min(1) - 0.5 - JITTER).clip(0, resolution).astype(np.int64)
    last = np.floor(corners[:, :, :2].max(1) - 0.5 - JITTER).clip(-1, resolution - 1).astype(np.int64)
    spans = np.maximum(last - first + 1, 0)
    pairs = spans.prod(1)
    ends = np.cumsum(pairs)
    start = 0
    while start < len(corners):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PAIRS_PER_PASS, side="right")))
        part = slice(start, stop)
        flat += _scan_convert(corners[part], first[part], spans[part], resolution)
        start = stop
    return flat.reshape(resolution, resolution, resolution + 1)


def _scan_convert(
    corners: Float[np.ndarray, "f 3 3"],
    first: Int[np.ndarray, "f 2"],
    spans: Int[np.ndarray, "f 2"],
    resolution: int,
) -> Float[np.ndarray, " cells"]:
    pairs = spans.prod(1)
    triangle = np.repeat(np.arange(len(corners)), pairs)
    place = np.arange(len(triangle)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    lines = first[triangle] + np.stack([place // np.maximum(spans[triangle, 1], 1), place % spans[triangle, 1]], 1)
    points = lines + 0.5 + JITTER
    a, b, c = corners[triangle, 0], corners[triangle, 1], corners[triangle, 2]
    weights = np.stack([_twice_area(b, c, points), _twice_area(c, a, points), _twice_area(a, b, points)], 1)
    covers = (weights > 0).all(1) | (weights < 0).all(1)
    weights, lines, triangle = weights[covers], lines[covers], triangle[covers]
    area = weights.sum(1)
    height = (corners[triangle, :, 2] * weights).sum(1) / area
    beyond = np.ceil(height - 0.5).clip(0, resolution).astype(np.int64)
    index = (lines[:, 0] * resolution + lines[:, 1]) * (resolution + 1) + beyond
    # Positive area: the face looks along the line, which therefore comes out of the surface there.
    # Without entries, bincount returns integers.
    return np.bincount(index, -np.sign(area), resolution * resolution * (resolution + 1)).astype(np.float64)


def _twice_area(
    start: Float[np.ndarray, "n 3"], end: Float[np.ndarray, "n 3"], points: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " n"]:
    """Return twice the signed area of the triangles of edges and points, in the plane of the first two axes."""
    along, across = end[:, :2] - start[:, :2], points - start[:, :2]
    return along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
