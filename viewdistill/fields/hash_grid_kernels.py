"""Hash-grid kernels for CPUs, compiled by numba.

With x a point, w_c(x) the trilinear weight of corner c of its cell and θ_c the corner's features, a level's encoding is
Σ_c w_c θ_c. Everything a first and a second derivative need is one of three sums, where a_c is either w_c or the
directional derivative v·∇w_c:

- `gather`:  Σ_c a_c θ_c                    (encoding; derivative of the point gradient by the output gradient)
- `scatter`: θ_c += a_c g                   (table gradient; derivative of the point gradient by the table)
- `slope`:   Σ_c <g, θ_c> ∇a_c              (point gradient; its own derivative by the points)

Every kernel treats one level, given as (scale, resolution, offset, entries, hashed), and the points from ``start`` to
``stop``. ``vectors`` holds v, or has no rows where a_c is w_c. ``features`` is a tuple of F zeros: its length is a
compile-time constant, so that the loops over it are unrolled. The interpreter's lock is released; the caller splits the
work among threads.
"""

# numba's decorators and the arrays inside kernels have no static types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingTypeStubs=false

from typing import no_type_check

import numpy as np
from numba import njit

ONE = np.float32(1)
HALF = np.float32(0.5)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def interpolate(t, smooth):
    """Weight of the upper corner along one axis and its first two derivatives by the fraction ``t``."""
    if smooth:
        slope = np.float32(6) * t * (ONE - t)
        return t * t * (np.float32(3) - np.float32(2) * t), slope, np.float32(6) - np.float32(12) * t
    return t, ONE, np.float32(0)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def wrapped(index, entries):
    """A dense index as tiny-cuda-nn takes it: as an unsigned 32-bit number, modulo the level's entries."""
    if index >= entries or index < 0:
        index = (index & np.int64(0xFFFFFFFF)) % entries
    return index


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def locate(points, i, level):
    """Rows of the eight corners around point ``i`` (x fastest) and the point's fractions in its cell."""
    scale, resolution, offset, entries, hashed = level
    px = points[i, 0] * scale + HALF
    py = points[i, 1] * scale + HALF
    pz = points[i, 2] * scale + HALF
    fx, fy, fz = np.floor(px), np.floor(py), np.floor(pz)
    x, y, z = np.int64(fx), np.int64(fy), np.int64(fz)
    if hashed:
        # entries is a power of two here; 64-bit products agree with tiny-cuda-nn's 32-bit ones in all bits kept
        mask = entries - 1
        y0, z0 = y * np.int64(2654435761), z * np.int64(805459861)
        y1, z1 = y0 + np.int64(2654435761), z0 + np.int64(805459861)
        a, b, c, d = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
        k0, k1, k2, k3 = (x ^ a) & mask, ((x + 1) ^ a) & mask, (x ^ b) & mask, ((x + 1) ^ b) & mask
        k4, k5, k6, k7 = (x ^ c) & mask, ((x + 1) ^ c) & mask, (x ^ d) & mask, ((x + 1) ^ d) & mask
    else:
        plane = resolution * resolution
        base = x + resolution * y + plane * z
        k0, k1 = wrapped(base, entries), wrapped(base + 1, entries)
        k2, k3 = wrapped(base + resolution, entries), wrapped(base + resolution + 1, entries)
        k4, k5 = wrapped(base + plane, entries), wrapped(base + plane + 1, entries)
        k6, k7 = wrapped(base + plane + resolution, entries), wrapped(base + plane + resolution + 1, entries)
    rows = (
        np.uint64(offset + k0),
        np.uint64(offset + k1),
        np.uint64(offset + k2),
        np.uint64(offset + k3),
        np.uint64(offset + k4),
        np.uint64(offset + k5),
        np.uint64(offset + k6),
        np.uint64(offset + k7),
    )
    return rows, (px - fx, py - fy, pz - fz)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def corner_weights(t, scale, smooth, vectors, i):
    """a_c of the eight corners: w_c, or v·∇w_c when ``vectors`` has rows."""
    x, dx, _ = interpolate(t[0], smooth)
    y, dy, _ = interpolate(t[1], smooth)
    z, dz, _ = interpolate(t[2], smooth)
    x0, y0, z0 = ONE - x, ONE - y, ONE - z
    if vectors.shape[0] == 0:
        a, b, c, d = y0 * z0, y * z0, y0 * z, y * z
        return x0 * a, x * a, x0 * b, x * b, x0 * c, x * c, x0 * d, x * d
    vx, vy, vz = scale * dx * vectors[i, 0], scale * dy * vectors[i, 1], scale * dz * vectors[i, 2]
    return (
        -vx * y0 * z0 - vy * x0 * z0 - vz * x0 * y0,
        vx * y0 * z0 - vy * x * z0 - vz * x * y0,
        -vx * y * z0 + vy * x0 * z0 - vz * x0 * y,
        vx * y * z0 + vy * x * z0 - vz * x * y,
        -vx * y0 * z - vy * x0 * z + vz * x0 * y0,
        vx * y0 * z - vy * x * z + vz * x * y0,
        -vx * y * z + vy * x0 * z + vz * x0 * y,
        vx * y * z + vy * x * z + vz * x * y,
    )


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def gather(points, vectors, table, level, smooth, features, column, output, start, stop):
    """Write Σ_c a_c θ_c to ``output[start:stop, column : column + F]``."""
    for i in range(start, stop):
        r, t = locate(points, i, level)
        w = corner_weights(t, level[0], smooth, vectors, i)
        for f in range(len(features)):
            output[i, column + f] = (
                (w[0] * table[r[0], f] + w[1] * table[r[1], f])
                + (w[2] * table[r[2], f] + w[3] * table[r[3], f])
                + (w[4] * table[r[4], f] + w[5] * table[r[5], f])
                + (w[6] * table[r[6], f] + w[7] * table[r[7], f])
            )


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def scatter(points, vectors, gradient, level, smooth, features, column, table, start, stop):
    """Add a_c g to the corners' rows of ``table``; ``gradient`` holds g in F columns from ``column``."""
    for i in range(start, stop):
        r, t = locate(points, i, level)
        w = corner_weights(t, level[0], smooth, vectors, i)
        if len(features) == 1:
            for c in range(8):
                table[r[c], 0] += w[c] * gradient[i, column]
        for f in range(0, len(features) - 1, 2):
            # both are read before either is written, which lets the compiler use one instruction for the pair
            g, h = gradient[i, column + f], gradient[i, column + f + 1]
            for c in range(8):
                a = table[r[c], f] + w[c] * g
                b = table[r[c], f + 1] + w[c] * h
                table[r[c], f] = a
                table[r[c], f + 1] = b


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def dot(gradient, i, column, table, r, features):
    """<g, θ> of one corner."""
    total = np.float32(0)
    for f in range(len(features)):
        total += gradient[i, column + f] * table[r, f]
    return total


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def slope(points, vectors, gradient, table, level, smooth, features, column, output, start, stop):
    """Add Σ_c <g, θ_c> ∇a_c to ``output[start:stop]``."""
    scale = level[0]
    for i in range(start, stop):
        r, t = locate(points, i, level)
        x, dx, ddx = interpolate(t[0], smooth)
        y, dy, ddy = interpolate(t[1], smooth)
        z, dz, ddz = interpolate(t[2], smooth)
        dx, dy, dz = scale * dx, scale * dy, scale * dz
        s0 = dot(gradient, i, column, table, r[0], features)
        s1 = dot(gradient, i, column, table, r[1], features)
        s2 = dot(gradient, i, column, table, r[2], features)
        s3 = dot(gradient, i, column, table, r[3], features)
        s4 = dot(gradient, i, column, table, r[4], features)
        s5 = dot(gradient, i, column, table, r[5], features)
        s6 = dot(gradient, i, column, table, r[6], features)
        s7 = dot(gradient, i, column, table, r[7], features)
        x0, y0, z0 = ONE - x, ONE - y, ONE - z
        # derivatives of Σ w_c s_c by the three axis weights
        sx = y0 * z0 * (s1 - s0) + y * z0 * (s3 - s2) + y0 * z * (s5 - s4) + y * z * (s7 - s6)
        sy = x0 * z0 * (s2 - s0) + x * z0 * (s3 - s1) + x0 * z * (s6 - s4) + x * z * (s7 - s5)
        sz = x0 * y0 * (s4 - s0) + x * y0 * (s5 - s1) + x0 * y * (s6 - s2) + x * y * (s7 - s3)
        if vectors.shape[0] == 0:
            output[i, 0] += dx * sx
            output[i, 1] += dy * sy
            output[i, 2] += dz * sz
            continue
        sxy = z0 * (s3 - s2 - s1 + s0) + z * (s7 - s6 - s5 + s4)
        sxz = y0 * (s5 - s4 - s1 + s0) + y * (s7 - s6 - s3 + s2)
        syz = x0 * (s6 - s4 - s2 + s0) + x * (s7 - s5 - s3 + s1)
        vx, vy, vz = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        square = scale * scale
        output[i, 0] += vx * square * ddx * sx + dx * (vy * dy * sxy + vz * dz * sxz)
        output[i, 1] += vy * square * ddy * sy + dy * (vx * dx * sxy + vz * dz * syz)
        output[i, 2] += vz * square * ddz * sz + dz * (vx * dx * sxz + vy * dy * syz)
