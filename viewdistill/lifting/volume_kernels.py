"""Compositing a volume on a CPU: numba kernels that walk each ray, with the arithmetic of the plain-torch path.

They are njit code, which no type checker follows. Arrays have the names, shapes and types of
`viewdistill.lifting.volume_compositing`; all are float32. A kernel works on rays ``begin`` to ``end`` of one object.
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit

ZERO, HALF, ONE, TWO = (np.float32(value) for value in (0, 0.5, 1, 2))


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def chord(origins, directions, ray, radius):
    """Middle of a ray's chord through the ball, and half the chord's length; 0 where the ray misses the ball."""
    ox, oy, oz = origins[ray, 0], origins[ray, 1], origins[ray, 2]
    middle = -(ox * directions[ray, 0] + oy * directions[ray, 1] + oz * directions[ray, 2])
    nearest = ox * ox + oy * oy + oz * oz - middle * middle
    return middle, np.float32(math.sqrt(max(radius * radius - nearest, ZERO)))


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def locate(x, y, z, n, cells, weights):
    """Write the rows of the eight cells around a point of [-1, 1]^3, and their trilinear weights.

    Cells outside the volume get weight 0 and row 0.
    """
    side = np.float32(n)
    x, y, z = ((x + ONE) * side - ONE) * HALF, ((y + ONE) * side - ONE) * HALF, ((z + ONE) * side - ONE) * HALF
    ix, iy, iz = np.int64(math.floor(x)), np.int64(math.floor(y)), np.int64(math.floor(z))
    fx, fy, fz = x - np.float32(ix), y - np.float32(iy), z - np.float32(iz)
    for corner in range(8):
        cx, cy, cz = ix + (corner & 1), iy + ((corner >> 1) & 1), iz + (corner >> 2)
        inside = 0 <= cx < n and 0 <= cy < n and 0 <= cz < n
        cells[corner] = (cz * n + cy) * n + cx if inside else 0
        wx = fx if corner & 1 else ONE - fx
        wy = fy if corner & 2 else ONE - fy
        wz = fz if corner & 4 else ONE - fz
        weights[corner] = wx * wy * wz if inside else ZERO


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def sample(origins, directions, ray, middle, half, step, steps, radius, n, cells, weights):
    """Locate sample ``step`` of a ray, as `locate` does; its depth."""
    depth = middle + half * ((np.float32(step) + HALF) / np.float32(steps) * TWO - ONE)
    x = (origins[ray, 0] + depth * directions[ray, 0]) / radius
    y = (origins[ray, 1] + depth * directions[ray, 1]) / radius
    z = (origins[ray, 2] + depth * directions[ray, 2]) / radius
    locate(x, y, z, n, cells, weights)
    return depth


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def softplus(x):
    """log(1 + e^x)."""
    return max(x, ZERO) + np.float32(math.log1p(math.exp(-abs(x))))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def composite_rays(begin, end, volume, n, origins, directions, radius, steps, scale, bias, out):
    """Add up features, opacity and depth of the rays in ``out``, which is zero; ``volume`` has one row per cell."""
    cells, weights = np.empty(8, np.int64), np.empty(8, np.float32)
    channels = volume.shape[1] - 1
    for ray in range(begin, end):
        middle, half = chord(origins, directions, ray, radius)
        if half <= ZERO:
            continue
        length = TWO * half / np.float32(steps)
        before = ZERO
        for step in range(steps):
            depth = sample(origins, directions, ray, middle, half, step, steps, radius, n, cells, weights)
            density = ZERO
            for corner in range(8):
                density += weights[corner] * volume[cells[corner], 0]
            optical = softplus(density + bias) * scale * length
            weight = np.float32(math.exp(-before) * (ONE - math.exp(-optical)))
            before += optical
            for corner in range(8):
                share, row = weight * weights[corner], cells[corner]
                for channel in range(channels):
                    out[ray, channel] += share * volume[row, channel + 1]
            out[ray, channels] += weight
            out[ray, channels + 1] += weight * depth


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
@no_type_check
def scatter_rays(begin, end, volume, n, origins, directions, radius, steps, scale, bias, gradient, volume_gradient):
    """Add the gradient of the rays' sums, by the volume, to ``volume_gradient``."""
    cells, weights = np.empty((steps, 8), np.int64), np.empty((steps, 8), np.float32)
    weight, pull = np.empty(steps, np.float32), np.empty(steps, np.float32)
    optical, slope = np.empty(steps, np.float32), np.empty(steps, np.float32)
    channels = volume.shape[1] - 1
    for ray in range(begin, end):
        middle, half = chord(origins, directions, ray, radius)
        if half <= ZERO:
            continue
        length = TWO * half / np.float32(steps)
        before = ZERO
        behind = ZERO  # sum over the samples behind of weight times pull
        for step in range(steps):
            depth = sample(origins, directions, ray, middle, half, step, steps, radius, n, cells[step], weights[step])
            density, pulled = ZERO, gradient[ray, channels] + gradient[ray, channels + 1] * depth
            for corner in range(8):
                row, along = cells[step, corner], ZERO
                for channel in range(channels):
                    along += gradient[ray, channel] * volume[row, channel + 1]
                pulled += weights[step, corner] * along
                density += weights[step, corner] * volume[row, 0]
            optical[step] = softplus(density + bias) * scale * length
            slope[step] = scale * length / (ONE + np.float32(math.exp(-(density + bias))))
            weight[step] = np.float32(math.exp(-before) * (ONE - math.exp(-optical[step])))
            pull[step] = pulled
            behind += weight[step] * pulled
            before += optical[step]
        before = ZERO
        for step in range(steps):
            behind -= weight[step] * pull[step]
            before += optical[step]
            density_gradient = (np.float32(math.exp(-before)) * pull[step] - behind) * slope[step]
            for corner in range(8):
                row, share = cells[step, corner], weights[step, corner]
                volume_gradient[row, 0] += share * density_gradient
                share *= weight[step]
                for channel in range(channels):
                    volume_gradient[row, channel + 1] += share * gradient[ray, channel]
