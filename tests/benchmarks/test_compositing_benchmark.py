"""Marching, and packed compositing against nerfacc's batched one: the same samples, padded to [rays, most samples].

nerfacc (`render_weight_from_density` without ray indices) composites rays of equally many samples in plain torch; rays
that meet less are padded with zeros. Both ways get the same densities and colours and must give the same pixels.
"""

import nerfacc
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from tests.benchmarks.pairs import note, only_when_timing, ratio
from viewdistill.cameras import look_at, rays
from viewdistill.rendering.compositing import accumulate, weights_from_density
from viewdistill.rendering.marching import Samples, march, step_size
from viewdistill.rendering.occupancy import Backend, OccupancyGrid

RADIUS = 0.65
STEP = step_size(RADIUS, 96)
MARCHING: tuple[Backend, ...] = ("torch", "numba")


class Problem:
    """Two views of 64 pixels of a ball of radius 0.5, as in the first steps of the field stage."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.occupancy = {name: OccupancyGrid(RADIUS, 32, backend=name) for name in MARCHING}
        for grid in self.occupancy.values():
            grid.update_every_n_steps(0, lambda points: (points.norm(dim=-1) < 0.5).float())
        c2w = look_at(torch.tensor([30.0, 210.0]), torch.tensor([20.0, 0.0]), torch.tensor([1.5, 1.5]))
        self.origins, self.directions = (r.reshape(-1, 3) for r in rays(c2w, 49.134, 64, 64))
        self.samples = self.march("numba")
        n, n_rays = len(self.samples), self.samples.n_rays
        self.density = 20 * torch.rand(n, generator=generator)
        self.rgb = torch.rand(n, 3, generator=generator)
        counts = torch.bincount(self.samples.ray_indices, minlength=n_rays)
        place = torch.arange(n) - (counts.cumsum(0) - counts)[self.samples.ray_indices]
        self.flat = self.samples.ray_indices * int(counts.max()) + place
        self.shape = (n_rays, int(counts.max()))
        # What nerfacc's way has at hand already, since its field is asked for padded samples.
        columns = (self.samples.t_starts, self.samples.t_ends, self.density, self.rgb)
        self.dense_starts, self.dense_ends, self.dense_density, self.dense_rgb = map(self.padded, columns)

    def march(self, backend: Backend) -> Samples:
        """The samples of the views' rays."""
        return march(self.origins, self.directions, self.occupancy[backend], STEP)

    def padded(self, values: Tensor) -> Tensor:
        """Values of samples as [rays, most samples, ...], zero where there is no sample."""
        dense = values.new_zeros(self.shape[0] * self.shape[1], *values.shape[1:])
        return dense.index_put((self.flat,), values).view(*self.shape, *values.shape[1:])

    def packed(self) -> tuple[Tensor, Tensor]:
        """Our pixels, and their gradient by the densities."""
        density, samples = self.density.clone().requires_grad_(), self.samples
        weights = weights_from_density(density, samples.lengths, samples.ray_indices, samples.n_rays)
        pixels = accumulate(weights, self.rgb, samples.ray_indices, samples.n_rays)
        return pixels.detach(), torch.autograd.grad(pixels.square().sum(), density)[0]

    def batched(self) -> tuple[Tensor, Tensor]:
        """nerfacc's."""
        density = self.dense_density.clone().requires_grad_()
        weights, _, _ = nerfacc.render_weight_from_density(self.dense_starts, self.dense_ends, density)
        pixels = nerfacc.accumulate_along_rays(weights, self.dense_rgb)
        return pixels.detach(), torch.autograd.grad(pixels.square().sum(), density)[0]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem()


@pytest.mark.benchmark(group="march 2 x 64x64 rays through a ball")
@pytest.mark.parametrize("backend", MARCHING)
def test_march(benchmark: BenchmarkFixture, problem: Problem, backend: Backend) -> None:
    benchmark.pedantic(problem.march, args=(backend,), rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="composite 2 x 64x64 rays with gradient")
@pytest.mark.parametrize("way", ["packed", "batched"])
def test_composite(benchmark: BenchmarkFixture, problem: Problem, way: str) -> None:
    benchmark.pedantic(getattr(problem, way), rounds=10, warmup_rounds=1)


def test_both_ways_give_the_same_pixels_and_gradients(problem: Problem) -> None:
    (ours, our_gradient), (theirs, their_gradient) = problem.packed(), problem.batched()
    assert ours.max() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert our_gradient.abs().max() > 0.01
    torch.testing.assert_close(our_gradient, their_gradient.flatten()[problem.flat], rtol=1e-3, atol=1e-6)


def test_numba_marches_faster(problem: Problem, request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    speedup = ratio(lambda: problem.march("numba"), lambda: problem.march("torch"))
    note("marching: numba against plain torch", speedup, 3)


def test_packed_is_not_slower(problem: Problem, request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    speedup = ratio(problem.packed, problem.batched)
    note("compositing, packed, against nerfacc's batched torch path", speedup, 1)
