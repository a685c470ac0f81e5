"""Trilinear interpolation in channels-last volumes, for CPUs; `viewdistill.diffusion.trilinear` calls it."""

# numba's decorators and the arrays inside kernels have no static types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingTypeStubs=false

from typing import no_type_check

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
@no_type_check
def corner_of(point, n, corner):
    """Cell (x, y, z) of one of the eight corners around a point, and its weight."""
    x, y, z = ((point[0] + 1) * n - 1) / 2, ((point[1] + 1) * n - 1) / 2, ((point[2] + 1) * n - 1) / 2
    x0, y0, z0 = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    dx, dy, dz = corner & 1, (corner >> 1) & 1, corner >> 2
    weight = (x - x0 if dx else 1 - x + x0) * (y - y0 if dy else 1 - y + y0) * (z - z0 if dz else 1 - z + z0)
    return x0 + dx, y0 + dy, z0 + dz, weight


@njit(nogil=True, cache=True, fastmath=True)
@no_type_check
def gather(volume, points, owner, out):
    """Add to ``out`` [points, channels] the values of ``volume`` [batch, n, n, n, channels] at ``points``."""
    n, channels = volume.shape[1], volume.shape[4]
    for i in range(len(points)):
        for corner in range(8):
            x, y, z, weight = corner_of(points[i], n, corner)
            if 0 <= x < n and 0 <= y < n and 0 <= z < n:
                for c in range(channels):
                    out[i, c] += weight * volume[owner[i], z, y, x, c]


@njit(nogil=True, cache=True, fastmath=True)
@no_type_check
def scatter(volume, points, owner, gradient):
    """Add to ``volume`` its gradient, given that of the values."""
    n, channels = volume.shape[1], volume.shape[4]
    for i in range(len(points)):
        for corner in range(8):
            x, y, z, weight = corner_of(points[i], n, corner)
            if 0 <= x < n and 0 <= y < n and 0 <= z < n:
                for c in range(channels):
                    volume[owner[i], z, y, x, c] += weight * gradient[i, c]
