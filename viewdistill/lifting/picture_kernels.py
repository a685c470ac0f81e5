"""Rendering a lifted object's colours on a CPU: numba kernels that walk each ray.

They are njit code, which no type checker follows, as those of `viewdistill.lifting.volume_kernels` are. A cell holds
density, rgb, and the share of the picture's colour at its place; see `viewdistill.lifting.picture_compositing` for
names, shapes and types. All arrays are float32, and volumes have a rim of zeros, so that every sample lies between
eight cells. Most of a volume is empty: samples between cells of raw density below `EMPTY` are skipped, and rays end
where less than `OPAQUE` of the light is left.
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from viewdistill.lifting.volume_kernels import HALF, ONE, TWO, ZERO, chord, softplus

EMPTY, OPAQUE = np.float32(-6), np.float32(1e-3)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def occupied(density, side):
    """Mark cells where any of the eight cells from them on is denser than `EMPTY`; ``side`` cells per side."""
    found = np.zeros(len(density), np.bool_)
    for z in range(side - 1):
        for y in range(side - 1):
            for x in range(side - 1):
                cell = (z * side + y) * side + x
                for corner in range(8):
                    place = cell + ((corner >> 2) * side + ((corner >> 1) & 1)) * side + (corner & 1)
                    if density[place] > EMPTY:
                        found[cell] = True
    return found


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def between(origins, directions, ray, depth, radius, side, weights):
    """The first of the eight cells around a sample; writes their trilinear weights, x fastest."""
    scale = np.float32(side - 2) * HALF
    x = ((origins[ray, 0] + depth * directions[ray, 0]) / radius + ONE) * scale + HALF
    y = ((origins[ray, 1] + depth * directions[ray, 1]) / radius + ONE) * scale + HALF
    z = ((origins[ray, 2] + depth * directions[ray, 2]) / radius + ONE) * scale + HALF
    ix, iy, iz = (
        min(max(np.int64(x), 0), side - 2),
        min(max(np.int64(y), 0), side - 2),
        min(max(np.int64(z), 0), side - 2),
    )
    fx, fy, fz = x - np.float32(ix), y - np.float32(iy), z - np.float32(iz)
    gx, gy, gz = ONE - fx, ONE - fy, ONE - fz
    weights[0], weights[1], weights[2], weights[3] = gx * gy * gz, fx * gy * gz, gx * fy * gz, fx * fy * gz
    weights[4], weights[5], weights[6], weights[7] = gx * gy * fz, fx * gy * fz, gx * fy * fz, fx * fy * fz
    return (iz * side + iy) * side + ix


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def sigmoid(x):
    """1 / (1 + e^-x)."""
    return ONE / (ONE + np.float32(math.exp(-x)))


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def look_up(picture, origins, directions, ray, depth, tangent, out):
    """Bilinear rgb of the picture at a sample's projection; ``origins`` are in the picture's camera."""
    size = picture.shape[0]
    x = origins[ray, 0] + depth * directions[ray, 0]
    y = origins[ray, 1] + depth * directions[ray, 1]
    z = -(origins[ray, 2] + depth * directions[ray, 2]) * tangent
    column = min(max(((x / z + ONE) * np.float32(size) - ONE) * HALF, ZERO), np.float32(size - 1))
    row = min(max(((ONE - y / z) * np.float32(size) - ONE) * HALF, ZERO), np.float32(size - 1))
    left, top = min(np.int64(column), size - 2), min(np.int64(row), size - 2)
    fx, fy = column - np.float32(left), row - np.float32(top)
    for channel in range(3):
        above = picture[top, left, channel] * (ONE - fx) + picture[top, left + 1, channel] * fx
        below = picture[top + 1, left, channel] * (ONE - fx) + picture[top + 1, left + 1, channel] * fx
        out[channel] = above * (ONE - fy) + below * fy


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def render_rays(
    begin, end, volume, density, full, side, picture, origins, directions, seen_from, seen_along, radius, tangent,
    steps, scale, bias, out,
):  # fmt: skip
    """Add up rgb and opacity of the rays in ``out``, which is zero; ``volume`` has one row per cell."""
    weights, color, own = np.empty(8, np.float32), np.empty(3, np.float32), np.empty(4, np.float32)
    for ray in range(begin, end):
        middle, half = chord(origins, directions, ray, radius)
        if half <= ZERO:
            continue
        length, light = TWO * half / np.float32(steps), ONE
        for step in range(steps):
            depth = middle + half * ((np.float32(step) + HALF) / np.float32(steps) * TWO - ONE)
            cell = between(origins, directions, ray, depth, radius, side, weights)
            if not full[cell]:
                continue
            raw = ZERO
            for corner in range(8):
                raw += (
                    weights[corner] * density[cell + ((corner >> 2) * side + ((corner >> 1) & 1)) * side + (corner & 1)]
                )
            left = light * np.float32(math.exp(-softplus(raw + bias) * scale * length))
            own[:] = ZERO
            for corner in range(8):
                row = cell + ((corner >> 2) * side + ((corner >> 1) & 1)) * side + (corner & 1)
                for channel in range(4):
                    own[channel] += weights[corner] * volume[row, channel + 1]
            look_up(picture, seen_from, seen_along, ray, depth, tangent, color)
            share, weight = sigmoid(own[3]), light - left
            for channel in range(3):
                mine = sigmoid(own[channel])
                out[ray, channel] += weight * (mine + share * (color[channel] - mine))
            out[ray, 3] += weight
            light = left
            if light < OPAQUE:
                break


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
@no_type_check
def scatter_samples(count, behind, cells, weights, lights, weight, pull, slope, own, side, volume_gradient):
    """Add the gradients of one ray's samples to the corners of their cells."""
    for step in range(count):
        behind -= weight[step] * pull[step]
        by_density = (lights[step] * pull[step] - behind) * slope[step]
        for corner in range(8):
            row = cells[step] + ((corner >> 2) * side + ((corner >> 1) & 1)) * side + (corner & 1)
            part = weights[step, corner]
            volume_gradient[row, 0] += part * by_density
            part *= weight[step]
            for channel in range(4):
                volume_gradient[row, channel + 1] += part * own[step, channel]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
@no_type_check
def scatter_pixels(
    begin, end, volume, density, full, side, picture, origins, directions, seen_from, seen_along, radius, tangent,
    steps, scale, bias, gradient, volume_gradient,
):  # fmt: skip
    """Add the gradient of the rays' rgb and opacity, by the volume, to ``volume_gradient``."""
    cells, weights = np.empty(steps, np.int64), np.empty((steps, 8), np.float32)
    lights, weight = np.empty(steps, np.float32), np.empty(steps, np.float32)
    pull, slope = np.empty(steps, np.float32), np.empty(steps, np.float32)
    color, raw, own = np.empty(3, np.float32), np.empty(5, np.float32), np.empty((steps, 4), np.float32)
    for ray in range(begin, end):
        middle, half = chord(origins, directions, ray, radius)
        if half <= ZERO:
            continue
        length, light, behind, count = TWO * half / np.float32(steps), ONE, ZERO, 0
        for step in range(steps):
            depth = middle + half * ((np.float32(step) + HALF) / np.float32(steps) * TWO - ONE)
            cell = between(origins, directions, ray, depth, radius, side, weights[count])
            if not full[cell]:
                continue
            raw[:] = ZERO
            for corner in range(8):
                row = cell + ((corner >> 2) * side + ((corner >> 1) & 1)) * side + (corner & 1)
                for channel in range(5):
                    raw[channel] += weights[count, corner] * volume[row, channel]
            left = light * np.float32(math.exp(-softplus(raw[0] + bias) * scale * length))
            look_up(picture, seen_from, seen_along, ray, depth, tangent, color)
            share, pulled, toward = sigmoid(raw[4]), gradient[ray, 3], ZERO
            for channel in range(3):
                mine = sigmoid(raw[channel + 1])
                pulled += gradient[ray, channel] * (mine + share * (color[channel] - mine))
                toward += gradient[ray, channel] * (color[channel] - mine)
                own[count, channel] = gradient[ray, channel] * (ONE - share) * mine * (ONE - mine)
            own[count, 3] = toward * share * (ONE - share)
            cells[count], lights[count], weight[count], pull[count] = cell, left, light - left, pulled
            slope[count] = scale * length * sigmoid(raw[0] + bias)
            behind += weight[count] * pulled
            light = left
            count += 1
            if light < OPAQUE:
                break
        scatter_samples(count, behind, cells, weights, lights, weight, pull, slope, own, side, volume_gradient)
