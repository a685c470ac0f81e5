"""Looking into the lifting's volumes: the kernels for CPUs against plain torch's `grid_sample`, on the same work."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from tests.benchmarks.pairs import note, only_when_timing, ratio
from viewdistill.cameras import look_at, rays
from viewdistill.lifting.reference_lifting import ReferenceLifting
from viewdistill.lifting.volume_compositing import composite_in_torch, composite_volume

WAYS = {"numba": composite_volume, "torch": composite_in_torch}


class Problem:
    """A step of the lifting's training: four volumes, seen by seven cameras each, with the volumes' gradient."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        lifting = ReferenceLifting()
        self.radius, self.steps = lifting.radius, lifting.samples
        n = lifting.resolution
        self.volume = torch.randn(4, n, n, n, lifting.channels + 1)
        azimuth, elevation = 360 * torch.rand(28), 90 * torch.rand(28) - 20
        c2w = look_at(azimuth, elevation, torch.full((28,), lifting.distance))
        lines = rays(c2w, lifting.fovy, lifting.latent_size, lifting.latent_size)
        self.origins, self.directions = (line.reshape(4, -1, 3) for line in lines)

    def run(self, way: str) -> tuple[Tensor, Tensor]:
        """What is seen, and the gradient of its squares by the volume."""
        volume = self.volume.clone().requires_grad_()
        seen = WAYS[way](volume, self.origins, self.directions, self.radius, self.steps)
        return seen.detach(), torch.autograd.grad(seen.square().sum(), volume)[0]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem()


@pytest.mark.benchmark(group="look into 4 volumes from 7 cameras each, with gradient")
@pytest.mark.parametrize("way", WAYS)
def test_look(benchmark: BenchmarkFixture, problem: Problem, way: str) -> None:
    benchmark.pedantic(problem.run, args=(way,), rounds=10, warmup_rounds=1)


def test_both_ways_see_the_same(problem: Problem) -> None:
    (ours, our_gradient), (theirs, their_gradient) = problem.run("numba"), problem.run("torch")
    assert ours.abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(our_gradient, their_gradient, atol=1e-3, rtol=1e-3)


def test_kernels_are_faster(problem: Problem, request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    speedup = ratio(lambda: problem.run("numba"), lambda: problem.run("torch"))
    note("volume compositing: numba against plain torch", speedup, 2.5)
