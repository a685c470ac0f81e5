"""The hash grid's CPU back end: numba kernels, split among threads (`viewdistill.threads`).

Sums over points (the table gradient) are split over levels, which needs no atomics and keeps the result independent of
the number of threads.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from viewdistill.fields import hash_grid_kernels as kernels
from viewdistill.fields.hash_grid_layout import HashGridConfig
from viewdistill.threads import parallel_for

Level = tuple[np.float32, int, int, bool]
"""(scale, resolution, entries, hashed), see `viewdistill.fields.hash_grid_kernels`."""


@dataclass(frozen=True)
class KernelLayout:
    """A grid's layout for the kernels."""

    levels: tuple[Level, ...]
    """The active levels, coarse to fine."""
    rows: tuple[slice, ...]
    """Their rows in the table of all levels."""
    features: tuple[int, ...]
    """One zero per feature of a level."""
    smooth: bool
    """Smoothstep instead of linear interpolation."""
    n_entries: int
    """Rows of the table of all levels, active or not."""
    n_output_dims: int
    """Columns of the output: features of all levels; inactive levels stay zero."""


@lru_cache(maxsize=64)
def kernel_layout(config: HashGridConfig, active_levels: int) -> KernelLayout:
    """Layout of a grid of which only the ``active_levels`` coarsest levels are read."""
    levels = config.levels()[:active_levels]
    return KernelLayout(
        levels=tuple((np.float32(level.scale), level.resolution, level.entries, level.hashed) for level in levels),
        rows=tuple(slice(level.offset, level.offset + level.entries) for level in levels),
        features=(0,) * config.n_features_per_level,
        smooth=config.interpolation == "smoothstep",
        n_entries=config.n_entries,
        n_output_dims=config.n_output_dims,
    )


@dataclass(frozen=True)
class NumbaSums:
    """The three sums of `viewdistill.fields.hash_grid_autograd.GridSums`, on float32 tensors of the CPU."""

    config: HashGridConfig
    """The grid's size."""

    def gather(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        params: Float[Tensor, " params"],
        active_levels: int,
    ) -> Float[Tensor, "n features"]:
        """Σ_c a_c θ_c."""
        layout = kernel_layout(self.config, active_levels)
        # every active column is written, so only a grid with masked levels needs zeros
        n_columns = len(layout.levels) * len(layout.features)
        allocate = torch.empty if n_columns == layout.n_output_dims else torch.zeros
        output = allocate(len(points), layout.n_output_dims)
        x, v, table, y = _array(points), _vectors(vectors), _table(params, layout), output.numpy()

        def task(block: range) -> None:
            for column, level, rows in _columns(layout):
                sizes = (level, layout.smooth, layout.features, column)
                kernels.gather(x, v, table[rows], *sizes, y, block.start, block.stop)

        parallel_for(task, _blocks(len(x)))
        return output

    def slope(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        gradient: Float[Tensor, "n features"],
        params: Float[Tensor, " params"],
        active_levels: int,
    ) -> Float[Tensor, "n 3"]:
        """Σ_c <g, θ_c> ∇a_c."""
        layout = kernel_layout(self.config, active_levels)
        output = torch.zeros_like(points)
        x, v, g, table, y = _array(points), _vectors(vectors), _array(gradient), _table(params, layout), output.numpy()

        def task(block: range) -> None:
            for column, level, rows in _columns(layout):
                sizes = (level, layout.smooth, layout.features, column)
                kernels.slope(x, v, g, table[rows], *sizes, y, block.start, block.stop)

        parallel_for(task, _blocks(len(x)))
        return output

    def scatter(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        gradient: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, " params"]:
        """a_c g added up by corner."""
        layout = kernel_layout(self.config, active_levels)
        output = torch.zeros(layout.n_entries * len(layout.features))
        x, v, g, table = _array(points), _vectors(vectors), _array(gradient), _table(output, layout)

        def task(column_level: tuple[int, Level, slice]) -> None:
            column, level, rows = column_level
            kernels.scatter(x, v, g, level, layout.smooth, layout.features, column, table[rows], 0, len(x))

        # the finest levels take longest (cache misses), so they go first
        parallel_for(task, _columns(layout)[::-1])
        return output


def _blocks(n_points: int) -> list[range]:
    # one level per thread: its table then stays in the cache for as many points as possible
    size = max(-(-n_points // torch.get_num_threads()), 1)
    return [range(start, min(start + size, n_points)) for start in range(0, n_points, size)]


def _columns(layout: KernelLayout) -> list[tuple[int, Level, slice]]:
    columns = range(0, len(layout.levels) * len(layout.features), len(layout.features))
    return list(zip(columns, layout.levels, layout.rows, strict=True))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().numpy()


def _table(params: Tensor, layout: KernelLayout) -> NDArray[np.float32]:
    return params.detach().view(layout.n_entries, len(layout.features)).numpy()


def _vectors(vectors: Tensor | None) -> NDArray[np.float32]:
    return np.empty((0, 3), np.float32) if vectors is None else _array(vectors)
