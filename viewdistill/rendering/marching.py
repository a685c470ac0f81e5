"""Samples along rays: a fixed lattice of steps, restricted to occupied space, with nerfacc's semantics.

The lattice is anchored at the near plane (t_k = near + k Δ), not where a ray enters the grid, and an interval
[t_k, t_k + Δ] is kept if its *midpoint* lies in an occupied cell. nerfacc (0.5, `cuda/csrc/grid.cu`) and our numba
kernels for CPUs walk each ray; plain torch tests many candidates at once, which gives the same set. The occupancy grid
chooses the back end.

Names: ``t`` distance along a unit direction, world units; samples are packed, sorted by ray, then by t.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from viewdistill.rendering import nerfacc_traversal
from viewdistill.rendering.marching_kernels import march_rays
from viewdistill.rendering.occupancy import OccupancyGrid
from viewdistill.threads import parallel_for

CANDIDATES = 1 << 21
"""Candidates per pass of plain torch; about 100 bytes each."""


@dataclass(frozen=True)
class Samples:
    """Intervals on rays, packed: all samples of ray 0, then of ray 1, and so on."""

    ray_indices: Int64[Tensor, " samples"]
    """Ray of each sample, ascending."""
    t_starts: Float[Tensor, " samples"]
    """Near ends of the intervals, world units."""
    t_ends: Float[Tensor, " samples"]
    """Far ends of the intervals, world units."""
    n_rays: int
    """Number of rays, including those without samples."""

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.ray_indices)

    @property
    def t_mid(self) -> Float[Tensor, " samples"]:
        """Midpoints of the intervals, world units."""
        return (self.t_starts + self.t_ends) / 2

    @property
    def lengths(self) -> Float[Tensor, " samples"]:
        """Lengths of the intervals, world units."""
        return self.t_ends - self.t_starts

    def points(
        self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"]
    ) -> Float[Tensor, "samples 3"]:
        """Return world positions of the midpoints."""
        return torch.addcmul(origins[self.ray_indices], directions[self.ray_indices], self.t_mid[:, None])

    def select(self, mask: Bool[Tensor, " samples"]) -> "Samples":
        """Select the samples where ``mask`` is true."""
        return self.at(mask.nonzero()[:, 0])

    def at(self, kept: Int64[Tensor, " kept"]) -> "Samples":
        """Select the samples at ascending indices."""
        return Samples(self.ray_indices[kept], self.t_starts[kept], self.t_ends[kept], self.n_rays)


def step_size(radius: float, n_samples: int) -> float:
    """Return the step Δ = 1.732 * 2R / n: at most n samples per ray in the cube of half side R (threestudio)."""
    return 1.732 * 2 * radius / n_samples


@torch.no_grad()
def march(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    occupancy: OccupancyGrid,
    step: float,
    near: float = 0.0,
    far: float = 1e10,
    stratified: bool = False,
    generator: torch.Generator | None = None,
) -> Samples:
    """Sample occupied space along rays.

    Args:
        origins: Ray origins, world units.
        directions: Unit ray directions.
        occupancy: Possible places of density, and the back end.
        step: Length Δ of an interval, world units.
        near: Distance of the lattice's anchor; no midpoint is nearer.
        far: No midpoint is farther.
        stratified: Move the anchor of each ray by a random part of a step.
        generator: Source of that randomness.

    Returns:
        Packed samples; possibly none.
    """
    n_rays, device = len(origins), origins.device
    anchor = torch.full((n_rays,), near, dtype=origins.dtype, device=device)
    if stratified:
        anchor += torch.rand(n_rays, dtype=origins.dtype, device=device, generator=generator) * step
    if occupancy.backend == "nerfacc" and n_rays > 0:
        binaries, radius = occupancy.binaries, occupancy.radius
        ray_indices, t_starts, t_ends = nerfacc_traversal.traverse(
            origins, directions, binaries, radius, anchor, far, step
        )
        return Samples(ray_indices, t_starts, t_ends, n_rays)
    t_enter, t_exit = _intersect(origins, directions, occupancy.bounds)
    # One candidate more at either end than the geometry needs: the midpoint test below is exact. None is nearer than
    # `near`, since k begins at 0.
    first = ((t_enter.clamp_min(near) - anchor) / step - 1.5).ceil().clamp_min(0)
    last = ((t_exit.clamp_max(far) - anchor) / step + 0.5).floor()
    rays = (last >= first).nonzero()[:, 0]
    if len(rays) == 0:
        return Samples(rays, anchor[:0], anchor[:0], n_rays)
    if occupancy.backend == "numba":
        return _march_on_cpu(origins, directions, occupancy, anchor, first, last, step, far)
    return _march_in_torch(origins, directions, occupancy, anchor, first, last, rays, step, far)


def _march_in_torch(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    occupancy: OccupancyGrid,
    anchor: Float[Tensor, " rays"],
    first: Float[Tensor, " rays"],
    last: Float[Tensor, " rays"],
    rays: Int64[Tensor, " hits"],
    step: float,
    far: float,
) -> Samples:
    """Test the candidates ``first`` to ``last`` of the rays that meet the grid together, in batches of rays."""
    n_columns = int((last - first)[rays].max()) + 1
    columns = torch.arange(n_columns, dtype=origins.dtype, device=origins.device)
    found: list[tuple[Tensor, Tensor]] = []
    for some in rays.split(max(1, CANDIDATES // n_columns)):
        k = first[some, None] + columns
        t_mid = anchor[some, None] + (k + 0.5) * step
        x, y, z = (torch.addcmul(origins[some, i, None], directions[some, i, None], t_mid) for i in range(3))
        kept = occupancy.occupied(x, y, z) & (t_mid <= far)
        row, column = kept.nonzero().unbind(-1)
        found.append((some[row], anchor[some[row]] + k[row, column] * step))
    ray_indices, t_starts = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Samples(ray_indices, t_starts, t_starts + step, len(origins))


def _march_on_cpu(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    occupancy: OccupancyGrid,
    anchor: Float[Tensor, " rays"],
    first: Float[Tensor, " rays"],
    last: Float[Tensor, " rays"],
    step: float,
    far: float,
) -> Samples:
    """Test the candidates ``first`` to ``last`` of each ray by numba kernels, in blocks of rays."""
    n_rays = len(origins)
    counts = torch.empty(n_rays, dtype=torch.int64)
    k_first, k_last = first.long(), torch.maximum(last, first - 1).long()
    candidates = (k_last - k_first + 1).numpy()
    n_blocks = torch.get_num_threads()
    edges = [n_rays * block // n_blocks for block in range(n_blocks + 1)]
    kept: dict[int, Tensor] = {}

    def walk(block: int) -> None:
        begin, end = edges[block], edges[block + 1]
        room = torch.empty(int(candidates[begin:end].sum()), dtype=torch.int64)
        found = march_rays(
            begin,
            end,
            origins.detach().numpy(),
            directions.detach().numpy(),
            anchor.numpy(),
            k_first.numpy(),
            k_last.numpy(),
            occupancy.binaries.numpy(),
            occupancy.radius,
            np.float32(step),
            np.float32(far),
            room.numpy(),
            counts.numpy(),
        )
        kept[block] = room[:found]

    parallel_for(walk, range(n_blocks))
    k = torch.cat([kept[block] for block in range(n_blocks)])
    rays = torch.repeat_interleave(counts)
    t_starts = anchor[rays] + k.to(anchor.dtype) * step
    return Samples(rays, t_starts, t_starts + step, n_rays)


def _intersect(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], box: Float[Tensor, "6"]
) -> tuple[Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Return distances where rays enter and leave an axis-aligned box [min xyz, max xyz]; enter > leave for misses."""
    if bool(box[0] > box[3]):
        return torch.full_like(origins[:, 0], torch.inf), torch.full_like(origins[:, 0], -torch.inf)
    # a direction along a face would give 0 * inf; 1e-12 moves no ray by a visible amount
    safe = torch.where(directions.abs() < 1e-12, torch.full_like(directions, 1e-12), directions)
    a, b = (box[:3] - origins) / safe, (box[3:] - origins) / safe
    return torch.minimum(a, b).amax(-1), torch.maximum(a, b).amin(-1)
