import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from viewdistill.rendering import marching
from viewdistill.rendering.marching import Samples, march, step_size
from viewdistill.rendering.occupancy import Backend, OccupancyGrid

STEP = 0.037


def random_grid(fraction: float = 0.2, n_levels: int = 1, backend: Backend = "auto") -> OccupancyGrid:
    torch.manual_seed(0)
    grid = OccupancyGrid(1.0, 8, n_levels, backend)
    cells = (torch.rand(grid.n_levels * 512) < fraction).float()
    offsets = iter(cells.split(512))
    grid.update_every_n_steps(0, lambda _: next(offsets))
    assert torch.equal(grid.occs, cells)
    return grid


def random_rays(n: int) -> tuple[Tensor, Tensor]:
    origins = torch.nn.functional.normalize(torch.randn(n, 3), dim=-1) * 3
    directions = torch.nn.functional.normalize(torch.randn(n, 3) * 0.6 - origins, dim=-1)
    return origins, directions


def march_one_by_one(
    origins: Tensor, directions: Tensor, grid: OccupancyGrid, near: float, far: float
) -> list[tuple[int, int]]:
    """(ray, k) of every lattice step whose midpoint lies in an occupied cell of the finest level around it."""
    found: list[tuple[int, int]] = []
    for ray, (origin, direction) in enumerate(zip(origins.tolist(), directions.tolist(), strict=True)):
        for k in range(int(8 / STEP)):
            t = near + (k + 0.5) * STEP
            point = [o + t * d for o, d in zip(origin, direction, strict=True)]
            reach = max(abs(c) for c in point)
            if t > far or reach >= grid.outer_radius:
                continue
            level = max(0, math.floor(math.log2(reach)) + 1)
            cell = [int((c + 2**level) / (2 * 2**level) * 8) for c in point]
            if grid.binaries[(level, *cell)]:
                found.append((ray, k))
    return found


def steps(samples: Samples, near: float) -> list[tuple[int, int]]:
    k = ((samples.t_starts - near) / STEP).round().long()
    return list(zip(samples.ray_indices.tolist(), k.tolist(), strict=True))


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize(("near", "far", "n_levels"), [(0.0, 1e10, 1), (2.31, 1e10, 1), (0.5, 2.9, 1), (0.0, 1e10, 2)])
def test_matches_marching_ray_by_ray(near: float, far: float, n_levels: int, backend: Backend):
    grid = random_grid(n_levels=n_levels, backend=backend)
    origins, directions = random_rays(60)
    samples = march(origins, directions, grid, STEP, near, far)
    expected = march_one_by_one(origins, directions, grid, near, far)
    found = steps(samples, near)
    assert found == sorted(found)
    assert len(expected) > 100
    # a midpoint on a cell's face may round either way
    assert len(set(found) ^ set(expected)) <= 1


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("n_levels", [1, 2])
def test_numba_marches_as_plain_torch_does(n_levels: int, threads: int):
    origins, directions = random_rays(501)
    origins[7] = 0  # starts inside
    directions[8] = -directions[8]  # misses
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = [
            march(
                origins,
                directions,
                random_grid(n_levels=n_levels, backend=backend),
                STEP,
                near=0.3,
                stratified=True,
                generator=torch.Generator().manual_seed(2),
            )
            for backend in ("torch", "numba")
        ]
    finally:
        torch.set_num_threads(before)
    sets = [set(zip(samples.ray_indices.tolist(), samples.t_starts.tolist(), strict=True)) for samples in found]
    assert len(sets[0]) > 1000
    assert len(sets[0] ^ sets[1]) <= 1  # a midpoint on a cell's face may round either way
    assert found[1].ray_indices.diff().min() >= 0


def test_plain_torch_gives_the_same_samples_in_parts(monkeypatch: pytest.MonkeyPatch):
    grid = random_grid(backend="torch")
    origins, directions = random_rays(57)
    whole = march(origins, directions, grid, 0.05)
    monkeypatch.setattr(marching, "CANDIDATES", 100)
    parts = march(origins, directions, grid, 0.05)
    assert len(whole) > 100
    for name in ("ray_indices", "t_starts", "t_ends"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_plain_torch_keeps_to_its_share_of_memory(monkeypatch: pytest.MonkeyPatch):
    grid = random_grid(backend="torch")
    origins, directions = random_rays(400)
    monkeypatch.setattr(marching, "CANDIDATES", 1000)
    with LargestResult() as seen:
        march(origins, directions, grid, 0.01)
    # a ray of 3.5 / 0.01 steps, and the grid's own cells
    assert seen.numel <= max(1000, grid.binaries.numel(), 3 * 400)


class LargestResult(TorchDispatchMode):
    """The most numbers that an operation on floating-point tensors of two dimensions gave."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.ndim == 2 and result.is_floating_point():
            self.numel = max(self.numel, result.numel())
        return result


def test_rays_that_start_inside_march_forwards_only():
    grid = random_grid(1.0)
    samples = march(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]), grid, 0.1)
    torch.testing.assert_close(samples.t_starts, torch.arange(10) * 0.1)


def test_axis_parallel_rays_on_a_face_are_finite():
    grid = random_grid(1.0)
    origins = torch.tensor([[-3.0, 0.0, 0.0], [-3.0, 1.0, 0.0], [-3.0, 2.0, 0.0]])
    directions = torch.tensor([[1.0, 0.0, 0.0]]).expand(3, 3)
    samples = march(origins, directions, grid, 0.1)
    assert samples.ray_indices.bincount(minlength=3).tolist()[::2] == [20, 0]


def test_an_empty_grid_gives_no_samples():
    origins, directions = random_rays(5)
    samples = march(origins, directions, OccupancyGrid(1.0, 8), STEP)
    assert len(samples) == 0
    assert samples.n_rays == 5
    assert samples.points(origins, directions).shape == (0, 3)


def test_no_rays_are_legal():
    assert len(march(torch.empty(0, 3), torch.empty(0, 3), random_grid(), STEP)) == 0


def test_stratified_rays_shift_their_whole_lattice_by_less_than_a_step():
    grid = random_grid(1.0)
    origins, directions = random_rays(50)
    samples = march(origins, directions, grid, STEP, stratified=True, generator=torch.Generator().manual_seed(1))
    again = march(origins, directions, grid, STEP, stratified=True, generator=torch.Generator().manual_seed(1))
    assert torch.equal(samples.t_starts, again.t_starts)
    shifts = torch.Generator().manual_seed(1)
    anchor = torch.rand(50, generator=shifts) * STEP
    k = (samples.t_starts - anchor[samples.ray_indices]) / STEP
    assert (k - k.round()).abs().max() < 1e-3
    torch.testing.assert_close(samples.t_ends - samples.t_starts, torch.full((len(samples),), STEP))


def test_samples_select_and_place_points():
    samples = Samples(torch.tensor([0, 2]), torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]), 3)
    origins, directions = torch.zeros(3, 3), torch.eye(3)
    assert samples.points(origins, directions).tolist() == [[1.5, 0, 0], [0, 0, 3.5]]
    kept = samples.select(torch.tensor([False, True]))
    assert kept.ray_indices.tolist() == [2]
    assert kept.n_rays == 3


def test_step_size_is_threestudios():
    assert step_size(1.0, 512) == pytest.approx(1.732 * 2 / 512)
