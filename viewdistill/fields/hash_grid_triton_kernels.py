"""Hash-grid kernels for GPUs, compiled by Triton: the three sums of `viewdistill.fields.hash_grid_autograd`.

A program treats ``BLOCK`` points, of one level (`gather`, `scatter`) or of all levels in turn (`slope`, which sums over
them). ``scales`` holds a level's scale, ``levels`` its (resolution, offset, entries, hashed) as int64. ``F`` is the
number of features of a level. With ``DIRECTIONAL`` a_c is v·∇w_c with v from ``vectors``, else w_c. Arithmetic on
lattice coordinates is 32-bit, as tiny-cuda-nn's.

Only Triton's built-in functions are used, none of its library (`tl.zeros`, `tl.sum`, …), so that the kernels can be
interpreted even where something else has imported Triton before ``TRITON_INTERPRET`` was set.
"""

# Triton's decorator and the values inside kernels have no static types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false, reportOperatorIssue=false, reportIndexIssue=false

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def locate(points, i, axis: tl.constexpr, valid, scale, SMOOTH: tl.constexpr):
    """Along one axis: cell of the points ``i``, weight of the upper corner, and its derivatives by the coordinate."""
    # one rounding, as tiny-cuda-nn
    position = tl.fma(tl.load(points + i * 3 + axis, mask=valid, other=0.0), scale, 0.5)
    cell = tl.floor(position)
    t = position - cell
    weight = t
    first = t * 0.0 + scale
    second = t * 0.0
    if SMOOTH:
        weight = t * t * (3.0 - 2.0 * t)
        first = scale * 6.0 * t * (1.0 - t)
        second = scale * scale * (6.0 - 12.0 * t)
    # negative cells become the unsigned numbers that tiny-cuda-nn makes of them
    return cell.to(tl.int32).to(tl.uint32), weight, first, second


@triton.jit
@no_type_check
def level_size(levels, level):
    """Resolution, offset, entries and whether rows are hashed."""
    size = levels + level * 4
    return tl.load(size).to(tl.uint32), tl.load(size + 1), tl.load(size + 2).to(tl.uint32), tl.load(size + 3)


@triton.jit
@no_type_check
def corner_row(x, y, z, resolution, offset, entries, hashed):
    """Row of lattice points in the table of all levels (int64)."""
    if hashed != 0:
        # entries is a power of two here
        index = (x ^ (y * 2654435761) ^ (z * 805459861)) & (entries - 1)
    else:
        index = (x + resolution * (y + resolution * z)) % entries
    return offset + index.to(tl.int64)


@triton.jit
@no_type_check
def corner_weight(ux, uy, uz, dx, dy, dz, c: tl.constexpr, DIRECTIONAL: tl.constexpr):
    """a_c: the weight of corner c, or its derivative along a direction that is in dx, dy and dz."""
    wx = ux if c & 1 else 1.0 - ux
    wy = uy if c >> 1 & 1 else 1.0 - uy
    wz = uz if c >> 2 & 1 else 1.0 - uz
    a = wx * wy * wz
    if DIRECTIONAL:
        a = (dx if c & 1 else -dx) * wy * wz
        a += (dy if c >> 1 & 1 else -dy) * wx * wz
        a += (dz if c >> 2 & 1 else -dz) * wx * wy
    return a


@triton.jit
@no_type_check
def gather(
    points,
    vectors,
    table,
    output,
    scales,
    levels,
    n_points,
    n_columns,
    F: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTIONAL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write Σ_c a_c θ_c to the level's columns of ``output``."""
    level = tl.program_id(1)
    scale = tl.load(scales + level)
    resolution, offset, entries, hashed = level_size(levels, level)
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    valid = i < n_points
    x, ux, dx, _ = locate(points, i, 0, valid, scale, SMOOTH)
    y, uy, dy, _ = locate(points, i, 1, valid, scale, SMOOTH)
    z, uz, dz, _ = locate(points, i, 2, valid, scale, SMOOTH)
    if DIRECTIONAL:
        dx *= tl.load(vectors + i * 3, mask=valid, other=0.0)
        dy *= tl.load(vectors + i * 3 + 1, mask=valid, other=0.0)
        dz *= tl.load(vectors + i * 3 + 2, mask=valid, other=0.0)
    f = tl.arange(0, F)
    total = tl.full([BLOCK, F], 0.0, tl.float32)
    for c in tl.static_range(8):
        row = corner_row(x + (c & 1), y + (c >> 1 & 1), z + (c >> 2 & 1), resolution, offset, entries, hashed)
        a = corner_weight(ux, uy, uz, dx, dy, dz, c, DIRECTIONAL)
        features = tl.load(table + row[:, None] * F + f[None, :], mask=valid[:, None], other=0.0)
        total += a[:, None] * features.to(tl.float32)
    tl.store(output + i[:, None] * n_columns + level * F + f[None, :], total, mask=valid[:, None])


@triton.jit
@no_type_check
def scatter(
    points,
    vectors,
    gradient,
    table,
    scales,
    levels,
    n_points,
    n_columns,
    F: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTIONAL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Add a_c g to the corners' rows of ``table``; sums run in no fixed order."""
    level = tl.program_id(1)
    scale = tl.load(scales + level)
    resolution, offset, entries, hashed = level_size(levels, level)
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    valid = i < n_points
    x, ux, dx, _ = locate(points, i, 0, valid, scale, SMOOTH)
    y, uy, dy, _ = locate(points, i, 1, valid, scale, SMOOTH)
    z, uz, dz, _ = locate(points, i, 2, valid, scale, SMOOTH)
    if DIRECTIONAL:
        dx *= tl.load(vectors + i * 3, mask=valid, other=0.0)
        dy *= tl.load(vectors + i * 3 + 1, mask=valid, other=0.0)
        dz *= tl.load(vectors + i * 3 + 2, mask=valid, other=0.0)
    f = tl.arange(0, F)
    g = tl.load(gradient + i[:, None] * n_columns + level * F + f[None, :], mask=valid[:, None], other=0.0)
    for c in tl.static_range(8):
        row = corner_row(x + (c & 1), y + (c >> 1 & 1), z + (c >> 2 & 1), resolution, offset, entries, hashed)
        a = corner_weight(ux, uy, uz, dx, dy, dz, c, DIRECTIONAL)
        tl.atomic_add(table + row[:, None] * F + f[None, :], a[:, None] * g, mask=valid[:, None], sem="relaxed")


@triton.jit
@no_type_check
def feature_sum(x, F: tl.constexpr, BLOCK: tl.constexpr):
    """Sum of [BLOCK, F] over the features, F at most 8, by halves."""
    if F == 8:
        even, odd = tl.split(tl.reshape(x, [BLOCK, 4, 2]))
        x = even + odd
    if F >= 4:
        even, odd = tl.split(tl.reshape(x, [BLOCK, 2, 2]))
        x = even + odd
    if F >= 2:
        even, odd = tl.split(tl.reshape(x, [BLOCK, 2]))
        x = even + odd
    return tl.reshape(x, [BLOCK])


@triton.jit
@no_type_check
def slope(
    points,
    vectors,
    gradient,
    table,
    output,
    scales,
    levels,
    n_points,
    n_columns,
    n_levels,
    F: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTIONAL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write Σ_c <g, θ_c> ∇a_c, summed over the levels, to ``output``."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    valid = i < n_points
    vx = tl.load(vectors + i * 3, mask=valid, other=0.0)
    vy = tl.load(vectors + i * 3 + 1, mask=valid, other=0.0)
    vz = tl.load(vectors + i * 3 + 2, mask=valid, other=0.0)
    f = tl.arange(0, F)
    sum_x = tl.full([BLOCK], 0.0, tl.float32)
    sum_y = tl.full([BLOCK], 0.0, tl.float32)
    sum_z = tl.full([BLOCK], 0.0, tl.float32)
    for level in range(n_levels):
        scale = tl.load(scales + level)
        resolution, offset, entries, hashed = level_size(levels, level)
        x, ux, dx, ddx = locate(points, i, 0, valid, scale, SMOOTH)
        y, uy, dy, ddy = locate(points, i, 1, valid, scale, SMOOTH)
        z, uz, dz, ddz = locate(points, i, 2, valid, scale, SMOOTH)
        # a level's features are read as one vector, as in `gather`
        g = tl.load(gradient + i[:, None] * n_columns + level * F + f[None, :], mask=valid[:, None], other=0.0)
        for c in tl.static_range(8):
            row = corner_row(x + (c & 1), y + (c >> 1 & 1), z + (c >> 2 & 1), resolution, offset, entries, hashed)
            features = tl.load(table + row[:, None] * F + f[None, :], mask=valid[:, None], other=0.0)
            s = feature_sum(g * features.to(tl.float32), F, BLOCK)
            wx = ux if c & 1 else 1.0 - ux
            wy = uy if c >> 1 & 1 else 1.0 - uy
            wz = uz if c >> 2 & 1 else 1.0 - uz
            cx = dx if c & 1 else -dx
            cy = dy if c >> 1 & 1 else -dy
            cz = dz if c >> 2 & 1 else -dz
            if DIRECTIONAL:
                ccx = ddx if c & 1 else -ddx
                ccy = ddy if c >> 1 & 1 else -ddy
                ccz = ddz if c >> 2 & 1 else -ddz
                xy, xz, yz = cx * cy * wz, cx * wy * cz, wx * cy * cz
                sum_x += s * (vx * ccx * wy * wz + vy * xy + vz * xz)
                sum_y += s * (vx * xy + vy * wx * ccy * wz + vz * yz)
                sum_z += s * (vx * xz + vy * yz + vz * wx * wy * ccz)
            else:
                sum_x += s * cx * wy * wz
                sum_y += s * wx * cy * wz
                sum_z += s * wx * wy * cz
    tl.store(output + i * 3, sum_x, mask=valid)
    tl.store(output + i * 3 + 1, sum_y, mask=valid)
    tl.store(output + i * 3 + 2, sum_z, mask=valid)
