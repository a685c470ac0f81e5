"""Marching on a CPU: numba kernels that walk the candidates of each ray, with the arithmetic of plain torch.

They are njit code, which no type checker follows. Arrays have the names, shapes and types of
`viewdistill.rendering.marching`.
"""

from typing import no_type_check

import numpy as np
from numba import njit

HALF = np.float32(0.5)
ZERO = np.float32(0)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def occupied(x, y, z, binaries, radius):
    """Whether a point lies in an occupied cell of the finest level that contains it."""
    reach = max(abs(x), abs(y), abs(z))
    resolution = binaries.shape[1]
    half = radius
    for level in range(binaries.shape[0]):
        if reach < half:
            scale = np.float32(resolution / (2 * half))
            side = np.float32(half)
            ix = min(max(np.int64((x + side) * scale), 0), resolution - 1)
            iy = min(max(np.int64((y + side) * scale), 0), resolution - 1)
            iz = min(max(np.int64((z + side) * scale), 0), resolution - 1)
            return binaries[level, ix, iy, iz]
        half *= 2
    return False


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def march_rays(begin, end, origins, directions, anchor, first, last, binaries, radius, step, far, kept, counts):
    """Write the kept steps k of rays ``begin`` to ``end``, packed from row 0 of ``kept`` on, and their number per ray.

    Returns:
        The total number.
    """
    total = 0
    for ray in range(begin, end):
        before = total
        ox, oy, oz = origins[ray, 0], origins[ray, 1], origins[ray, 2]
        dx, dy, dz = directions[ray, 0], directions[ray, 1], directions[ray, 2]
        for k in range(first[ray], last[ray] + 1):
            t = anchor[ray] + (np.float32(k) + HALF) * step
            if t <= far and occupied(ox + dx * t, oy + dy * t, oz + dz * t, binaries, radius):
                kept[total] = k
                total += 1
        counts[ray] = total - before
    return total
