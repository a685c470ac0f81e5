"""Cells of a coarse grid inside an object: its exact geometry at low resolution."""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, UInt8
from numba import njit

from viewdistill.objects.textured import ProceduralObject

CELLS = 32
"""Number of cells along each axis."""

HALF_SIDE = 0.62
"""Half the side of the grid's cube, world units; objects reach to 0.61."""

_ASIDE = (3.1e-6, 7.3e-6)
"""Offset of the columns from the cells' centres, so that none passes through an edge or vertex of a regular mesh."""


def occupancy(obj: ProceduralObject) -> Bool[np.ndarray, "n n n"]:
    """Return whether the centre of each cell is inside one of the object's solids; axes z, y, x."""
    changes = np.zeros((CELLS + 1, CELLS, CELLS), np.int32)
    _cross(obj.vertices, obj.faces, HALF_SIDE, _ASIDE[0], _ASIDE[1], changes)
    return changes.cumsum(0)[:CELLS] > 0


def packed(cells: Bool[np.ndarray, "n n n"]) -> UInt8[np.ndarray, " bytes"]:
    """Pack the cells into bits, the first into a byte's highest bit."""
    return np.packbits(cells)


@njit(nogil=True, cache=True)
@no_type_check
def _cross(vertices, faces, half_side, aside_x, aside_y, changes):
    """Add a solid's entries (1) and exits (-1) along upward columns to ``changes``; sums are winding numbers."""
    n = changes.shape[1]
    for face in range(len(faces)):
        a, b, c = vertices[faces[face, 0]], vertices[faces[face, 1]], vertices[faces[face, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0:
            continue
        scale = 0.5 * n / half_side
        left = max(int(np.floor((min(a[0], b[0], c[0]) + half_side) * scale - 0.5)), 0)
        right = min(int(np.ceil((max(a[0], b[0], c[0]) + half_side) * scale - 0.5)), n - 1)
        front = max(int(np.floor((min(a[1], b[1], c[1]) + half_side) * scale - 0.5)), 0)
        back = min(int(np.ceil((max(a[1], b[1], c[1]) + half_side) * scale - 0.5)), n - 1)
        for row in range(front, back + 1):
            y = (row + 0.5) / scale - half_side + aside_y
            for column in range(left, right + 1):
                x = (column + 0.5) / scale - half_side + aside_x
                of_a = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                of_b = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                of_c = 1 - of_a - of_b
                if of_a < 0 or of_b < 0 or of_c < 0:
                    continue
                z = of_a * a[2] + of_b * b[2] + of_c * c[2]
                first = min(max(int(np.ceil((z + half_side) * scale - 0.5)), 0), n)
                changes[first, row, column] += -1 if area > 0 else 1
