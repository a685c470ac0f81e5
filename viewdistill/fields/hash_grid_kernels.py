"""Hash-grid kernels for CPUs, compiled by numba.

With x a point, w_c(x) the trilinear weight of corner c of its cell and θ_c the corner's features, a level's encoding is
Σ_c w_c θ_c. Everything a first and a second derivative need is one of three sums, where a_c is either w_c or the
directional derivative v·∇w_c:

- `gather`:  Σ_c a_c θ_c                    (encoding; derivative of the point gradient by the output gradient)
- `scatter`: θ_c += a_c g                   (table gradient; derivative of the point gradient by the table)
- `slope`:   Σ_c <g, θ_c> ∇a_c              (point gradient; its own derivative by the points)

Every kernel treats one level, given as (scale, resolution, entries, hashed), its ``table`` [entries, F], and the points
from ``start`` to ``stop``, in blocks: all rows of a block are known before the first is read, so that the reads
overlap; most of them miss the cache if a table is large. ``vectors`` holds v, or has no rows where a_c is w_c.
``features`` is a tuple of F zeros: its length is a compile-time constant, so that the loops over it are unrolled. The
interpreter's lock is released; the caller splits the work among threads.
"""

# numba's decorators and the arrays inside kernels have no static types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingTypeStubs=false

from typing import no_type_check

import numpy as np
from numba import njit

from viewdistill.fields.hash_grid_layout import PRIMES

ONE = np.float32(1)
NEXT = np.uint32(1)
PRIME_Y, PRIME_Z = (np.uint32(prime) for prime in PRIMES[1:])
BLOCK = 64
"""Points per block; 32 to 128 are equally fast."""


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
def cell_of(coordinate, scale):
    """Lattice cell along one axis, as the unsigned number that tiny-cuda-nn makes of it, and the fraction in it."""
    # one rounding, as tiny-cuda-nn's fused multiply-add: in double the product of two float32 is exact
    position = np.float32(np.float64(coordinate) * np.float64(scale) + 0.5)
    floor = np.floor(position)
    return np.uint32(np.int32(floor)), position - floor


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def locate(points, start, n, level, rows, fractions):
    """For ``n`` points: rows of the eight corners around each (x fastest) and its fractions in its cell."""
    scale, resolution, entries, hashed = level
    size, mask, side = np.uint32(entries), np.uint32(entries - 1), np.uint32(resolution)
    for j in range(n):
        x, fractions[0, j] = cell_of(points[start + j, 0], scale)
        y, fractions[1, j] = cell_of(points[start + j, 1], scale)
        z, fractions[2, j] = cell_of(points[start + j, 2], scale)
        if hashed:
            # entries is a power of two here
            y0, z0 = np.uint32(y * PRIME_Y), np.uint32(z * PRIME_Z)
            y1, z1, x1 = np.uint32(y0 + PRIME_Y), np.uint32(z0 + PRIME_Z), np.uint32(x + NEXT)
            a, b, c, d = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
            rows[0, j], rows[1, j], rows[2, j], rows[3, j] = (
                (x ^ a) & mask,
                (x1 ^ a) & mask,
                (x ^ b) & mask,
                (x1 ^ b) & mask,
            )
            rows[4, j], rows[5, j], rows[6, j], rows[7, j] = (
                (x ^ c) & mask,
                (x1 ^ c) & mask,
                (x ^ d) & mask,
                (x1 ^ d) & mask,
            )
        else:
            plane = np.uint32(side * side)
            base = np.uint32(x + np.uint32(side * y) + np.uint32(plane * z))
            for c in range(8):
                row = np.uint32(
                    base + NEXT * np.uint32(c & 1) + side * np.uint32(c >> 1 & 1) + plane * np.uint32(c >> 2)
                )
                rows[c, j] = row if row < size else np.uint32(row % size)


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
def weigh(start, n, scale, smooth, vectors, fractions, weights):
    """a_c of the eight corners around ``n`` points."""
    for j in range(n):
        t = (fractions[0, j], fractions[1, j], fractions[2, j])
        w = corner_weights(t, scale, smooth, vectors, start + j)
        weights[0, j], weights[1, j], weights[2, j], weights[3, j] = w[0], w[1], w[2], w[3]
        weights[4, j], weights[5, j], weights[6, j], weights[7, j] = w[4], w[5], w[6], w[7]


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def gather(points, vectors, table, level, smooth, features, column, output, start, stop):
    """Write Σ_c a_c θ_c to ``output[start:stop, column : column + F]``."""
    r, t, w = np.empty((8, BLOCK), np.uint32), np.empty((3, BLOCK), np.float32), np.empty((8, BLOCK), np.float32)
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        locate(points, first, n, level, r, t)
        weigh(first, n, level[0], smooth, vectors, t, w)
        for j in range(n):
            for f in range(len(features)):
                output[first + j, column + f] = (
                    (w[0, j] * table[r[0, j], f] + w[1, j] * table[r[1, j], f])
                    + (w[2, j] * table[r[2, j], f] + w[3, j] * table[r[3, j], f])
                    + (w[4, j] * table[r[4, j], f] + w[5, j] * table[r[5, j], f])
                    + (w[6, j] * table[r[6, j], f] + w[7, j] * table[r[7, j], f])
                )


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def scatter(points, vectors, gradient, level, smooth, features, column, table, start, stop):
    """Add a_c g to the corners' rows of ``table``; ``gradient`` holds g in F columns from ``column``."""
    r, t, w = np.empty((8, BLOCK), np.uint32), np.empty((3, BLOCK), np.float32), np.empty((8, BLOCK), np.float32)
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        locate(points, first, n, level, r, t)
        weigh(first, n, level[0], smooth, vectors, t, w)
        for j in range(n):
            if len(features) == 1:
                for c in range(8):
                    table[r[c, j], 0] += w[c, j] * gradient[first + j, column]
            for f in range(0, len(features) - 1, 2):
                # both are read before either is written, so that the compiler can use one instruction for the pair
                g, h = gradient[first + j, column + f], gradient[first + j, column + f + 1]
                for c in range(8):
                    row = r[c, j]
                    a = table[row, f] + w[c, j] * g
                    b = table[row, f + 1] + w[c, j] * h
                    table[row, f] = a
                    table[row, f + 1] = b


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
def add_slope(r, t, scale, vectors, gradient, table, smooth, features, column, output, i):
    """`slope` of point ``i``, whose corners' rows and fractions are known."""
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
        return
    sxy = z0 * (s3 - s2 - s1 + s0) + z * (s7 - s6 - s5 + s4)
    sxz = y0 * (s5 - s4 - s1 + s0) + y * (s7 - s6 - s3 + s2)
    syz = x0 * (s6 - s4 - s2 + s0) + x * (s7 - s5 - s3 + s1)
    vx, vy, vz = vectors[i, 0], vectors[i, 1], vectors[i, 2]
    square = scale * scale
    output[i, 0] += vx * square * ddx * sx + dx * (vy * dy * sxy + vz * dz * sxz)
    output[i, 1] += vy * square * ddy * sy + dy * (vx * dx * sxy + vz * dz * syz)
    output[i, 2] += vz * square * ddz * sz + dz * (vx * dx * sxz + vy * dy * syz)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def slope(points, vectors, gradient, table, level, smooth, features, column, output, start, stop):
    """Add Σ_c <g, θ_c> ∇a_c to ``output[start:stop]``."""
    rows, fractions = np.empty((8, BLOCK), np.uint32), np.empty((3, BLOCK), np.float32)
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        locate(points, first, n, level, rows, fractions)
        for j in range(n):
            r = (rows[0, j], rows[1, j], rows[2, j], rows[3, j], rows[4, j], rows[5, j], rows[6, j], rows[7, j])
            t = (fractions[0, j], fractions[1, j], fractions[2, j])
            add_slope(r, t, level[0], vectors, gradient, table, smooth, features, column, output, first + j)
