"""The hash grid's plain-torch back end: reference of the others; runs on any device and in any precision.

The table is split once into levels, and each level is indexed by itself: indexing the whole table per level would make
autograd build one full-size gradient per level.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from viewdistill.fields.hash_grid_autograd import differentiated
from viewdistill.fields.hash_grid_layout import PRIMES, HashGridConfig, HashGridLevel

CORNERS = [(c & 1, c >> 1 & 1, c >> 2 & 1) for c in range(8)]
"""Offsets of a cell's corners, x fastest."""


@dataclass(frozen=True)
class TorchEncoder:
    """The back end, as `viewdistill.fields.hash_grid_autograd.GridEncoder`."""

    config: HashGridConfig
    """The grid's size."""

    def encode(
        self, points: Float[Tensor, "n 3"], params: Float[Tensor, " params"], active_levels: int
    ) -> Float[Tensor, "n features"]:
        """Features of points; differentiable any number of times."""
        return encode(points, params, self.config, active_levels)

    def attach(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        features: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n features"]:
        """Encode again: the graph is torch's own."""
        return self.encode(points, params, active_levels)

    def point_gradient(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        gradient: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n 3"]:
        """Σ_k g_k ∇h_k; differentiable as the features are."""
        return differentiated(lambda x: self.encode(x, params, active_levels), points, gradient)


def encode(
    points: Float[Tensor, "n 3"], params: Float[Tensor, " params"], config: HashGridConfig, active_levels: int
) -> Float[Tensor, "n features"]:
    """Features of points; differentiable any number of times.

    Args:
        points: Positions in [0, 1]^3.
        params: The flat parameter vector.
        config: The grid's size.
        active_levels: Levels from the coarsest that are read; the others give zeros.

    Returns:
        Interpolated features, level-major.
    """
    levels = config.levels()
    tables = params.view(-1, config.n_features_per_level).split([level.entries for level in levels])
    active = list(zip(levels, tables, strict=True))[:active_levels]
    features = [_encode_level(points, table, level, config.interpolation == "smoothstep") for level, table in active]
    encoded = torch.cat([points.new_zeros(len(points), 0), *features], -1)
    return torch.nn.functional.pad(encoded, (0, config.n_output_dims - encoded.shape[-1]))


def rows(lattice: Int64[Tensor, "*batch 3"], level: HashGridLevel) -> Int64[Tensor, "*batch"]:
    """Rows of lattice points in their level's table: dense or hashed, 32-bit, always modulo the entries."""
    x, y, z = lattice.unbind(-1)
    if level.hashed:
        index = x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]
    else:
        index = x + level.resolution * (y + level.resolution * z)
    return (index & 0xFFFFFFFF) % level.entries


def _encode_level(
    points: Float[Tensor, "n 3"], table: Float[Tensor, "entries f"], level: HashGridLevel, smooth: bool
) -> Float[Tensor, "n f"]:
    # one rounding, as tiny-cuda-nn's fused multiply-add: in double the product of two float32 is exact
    position = (points.double() * level.scale + 0.5).to(points.dtype)
    cell = position.detach().floor()
    fraction = position - cell
    upper = fraction * fraction * (3 - 2 * fraction) if smooth else fraction
    corners = torch.tensor(CORNERS, device=points.device)
    x, y, z = torch.where(corners.bool(), upper[:, None], 1 - upper[:, None]).unbind(-1)
    features = table[rows(cell.long()[:, None] + corners, level)]
    return ((x * y * z)[..., None] * features).sum(1)
