"""Occupancy grid: cells that may hold density, as nerfacc's `OccGridEstimator` (Li et al. 2023, version 0.5).

State lives in buffers, so that a checkpoint carries it. Level i covers the cube of half side radius * 2^i.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from viewdistill.rendering import nerfacc_traversal

Backend = Literal["auto", "torch", "numba", "nerfacc"]
"""Back end of marching: plain torch on any device, numba kernels on a CPU, nerfacc's CUDA code, or the fastest
available."""

OccupancyFn = Callable[[Tensor], Tensor]
"""World positions [n, 3] to occupancies [n]; for a density field, density times the step size."""


class OccupancyGrid(nn.Module):
    """Running maximum of occupancy per cell, and its thresholded version that marching reads.

    A new grid is empty: rays find no samples before the first `update`. All back ends share the buffers, so a
    checkpoint moves between them.
    """

    occs: Tensor
    binaries: Tensor
    bounds: Tensor

    def __init__(self, radius: float, resolution: int = 32, n_levels: int = 1, backend: Backend = "auto") -> None:
        """Allocate an empty grid.

        Args:
            radius: Half the side of the finest level's cube, world units.
            resolution: Cells per side, the same in every level.
            n_levels: Number of nested cubes, each twice as large as the one before.
            backend: Back end of marching; "auto" is numba on a CPU, nerfacc on a GPU if its CUDA code is compiled, and
                torch otherwise.

        Raises:
            ViewDistillError: nerfacc is requested but cannot be used on this machine.
        """
        if backend == "nerfacc":
            nerfacc_traversal.require()
        super().__init__()
        self.radius = radius
        self.resolution = resolution
        self.n_levels = n_levels
        self._asked_for: Backend = backend
        self.register_buffer("occs", torch.zeros(n_levels * resolution**3))
        self.register_buffer("binaries", torch.zeros(n_levels, *[resolution] * 3, dtype=torch.bool))
        # box around the occupied cells [min xyz, max xyz]; min > max without any
        self.register_buffer("bounds", torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0]))

    @property
    def outer_radius(self) -> float:
        """Half the side of the largest level's cube, world units."""
        return self.radius * 2 ** (self.n_levels - 1)

    @property
    def backend(self) -> Literal["torch", "numba", "nerfacc"]:
        """Back end of marching on the grid's current device.

        Raises:
            ValueError: nerfacc is requested but the grid is not on a GPU, or numba but it is not on a CPU.
        """
        on_gpu, on_cpu = self.binaries.is_cuda, self.binaries.device.type == "cpu"
        if self._asked_for == "nerfacc" and not on_gpu:
            raise ValueError(f"nerfacc marches on a GPU, the occupancy grid is on {self.binaries.device}: move it")
        if self._asked_for == "numba" and not on_cpu:
            raise ValueError(f"numba marches on a CPU, the occupancy grid is on {self.binaries.device}: move it")
        if self._asked_for == "auto":
            on_gpu_choice = "nerfacc" if on_gpu and nerfacc_traversal.obstacle() is None else "torch"
            return "numba" if on_cpu else on_gpu_choice
        return self._asked_for

    def occupied(
        self, x: Float[Tensor, "*batch"], y: Float[Tensor, "*batch"], z: Float[Tensor, "*batch"]
    ) -> Bool[Tensor, "*batch"]:
        """Return whether points lie in occupied cells of their finest level; false outside all levels."""
        cells = self.binaries.view(self.n_levels, -1)
        result = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
        reach = torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs())
        for level in reversed(range(self.n_levels)):
            half = self.radius * 2**level
            inside = reach < half
            ix, iy, iz = (self._cell(c, half) for c in (x, y, z))
            flat = (ix * self.resolution + iy) * self.resolution + iz
            result = torch.where(inside, cells[level].take(flat), result)
        return result

    def mean_occupancy(self) -> float:
        """Return the mean running occupancy, nerfacc's bound on the opacity threshold of visibility."""
        return float(self.occs.mean())

    @torch.no_grad()
    def update_every_n_steps(
        self,
        step: int,
        occupancy_fn: OccupancyFn,
        n: int = 16,
        warmup_steps: int = 256,
        threshold: float = 1e-2,
        decay: float = 0.95,
        generator: torch.Generator | None = None,
    ) -> bool:
        """Update the grid if ``step`` is a multiple of ``n``.

        Args:
            step: Optimisation step, from 0.
            occupancy_fn: Occupancy of world positions.
            n: Steps between updates.
            warmup_steps: Before this step all cells are evaluated; later a quarter of them, drawn uniformly, and as
                many of the occupied ones.
            threshold: Largest occupancy at which a cell can count as empty.
            decay: Factor on the running occupancy of an evaluated cell.
            generator: Source of randomness.

        Returns:
            Whether the grid was updated.
        """
        if step % n != 0:
            return False
        for level in range(self.n_levels):
            cells = self._all_cells() if step < warmup_steps else self._sampled_cells(level, generator)
            self._evaluate(level, cells, occupancy_fn, decay, generator)
        mean = self.occs.mean()
        self.binaries.copy_((self.occs > mean.clamp(max=threshold)).view_as(self.binaries))
        self._update_bounds()
        return True

    def _cell(self, coordinate: Float[Tensor, "*batch"], half: float) -> Int64[Tensor, "*batch"]:
        index = ((coordinate + half) * (self.resolution / (2 * half))).long()
        return index.clamp_(0, self.resolution - 1)

    def _all_cells(self) -> Int64[Tensor, " cells"]:
        return torch.arange(self.resolution**3, device=self.occs.device)

    def _sampled_cells(self, level: int, generator: torch.Generator | None) -> Int64[Tensor, " cells"]:
        n_cells = self.resolution**3
        n = n_cells // 4
        device = self.occs.device
        uniform = torch.randint(n_cells, (n,), device=device, generator=generator)
        occupied = self.binaries[level].flatten().nonzero()[:, 0]
        if n < len(occupied):
            occupied = occupied[torch.randint(len(occupied), (n,), device=device, generator=generator)]
        return torch.cat([uniform, occupied])

    def _evaluate(
        self,
        level: int,
        cells: Int64[Tensor, " cells"],
        occupancy_fn: OccupancyFn,
        decay: float,
        generator: torch.Generator | None,
    ) -> None:
        r = self.resolution
        corner = torch.stack([cells // r**2, cells // r % r, cells % r], -1)
        jitter = torch.rand(len(cells), 3, device=cells.device, generator=generator)
        half = self.radius * 2**level
        points = (corner + jitter) * (2 * half / r) - half
        occupancies = occupancy_fn(points).to(self.occs.dtype)
        flat = level * r**3 + cells
        self.occs[flat] = self.occs[flat] * decay
        # a cell drawn twice keeps the larger value; nerfacc's result is not deterministic
        self.occs.scatter_reduce_(0, flat, occupancies, "amax")

    def _update_bounds(self) -> None:
        level, *cell = self.binaries.nonzero().unbind(-1)
        if len(level) == 0:
            self.bounds.copy_(self.bounds.new_tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0]))
            return
        half = self.radius * 2.0**level
        size = 2 * half / self.resolution
        low = torch.stack([(c * size - half).min() for c in cell])
        high = torch.stack([((c + 1) * size - half).max() for c in cell])
        self.bounds.copy_(torch.cat([low, high]))
