"""The numba hash grid against its per-level torch twin, on the same points in the same run.

Run with `pytest tests/benchmarks --benchmark-enable` (or `make bench`); without it nothing is timed, only compared.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from tests.benchmarks.pairs import note, only_when_timing, ratio
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig

CONFIG = HashGridConfig(n_levels=8, n_features_per_level=2, log2_hashmap_size=19)
N_POINTS = 131_072
GOAL = 5.0

pytestmark = pytest.mark.benchmark(group="hash grid, 131,072 points, 8 levels, 2^19 entries")


class Problem:
    """One grid in both back ends, points, and the gradient that arrives at the features."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        params = torch.randn(CONFIG.n_params, generator=generator)
        self.points = torch.rand(N_POINTS, 3, generator=generator)
        self.gradient = torch.randn(N_POINTS, CONFIG.n_output_dims, generator=generator)
        self.grids = {"numba": HashGrid(CONFIG, "numba"), "torch": HashGrid(CONFIG, "torch")}
        for grid in self.grids.values():
            grid.load_state_dict({"params": params})

    def forward(self, backend: str) -> Tensor:
        with torch.no_grad():
            return self.grids[backend](self.points)

    def forward_and_table_gradient(self, backend: str) -> Tensor:
        grid = self.grids[backend]
        grid.params.grad = None
        grid(self.points).backward(self.gradient)
        assert grid.params.grad is not None
        return grid.params.grad


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem()


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_forward(benchmark: BenchmarkFixture, problem: Problem, backend: str):
    benchmark.pedantic(problem.forward, args=(backend,), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_forward_and_table_gradient(benchmark: BenchmarkFixture, problem: Problem, backend: str):
    benchmark.pedantic(problem.forward_and_table_gradient, args=(backend,), rounds=7, warmup_rounds=1)


def test_numba_matches_torch(problem: Problem):
    for compute in (problem.forward, problem.forward_and_table_gradient):
        fast, slow = compute("numba"), compute("torch")
        assert slow.abs().max() > 0.1
        assert (fast - slow).abs().max() <= 1e-5 * slow.abs().max()


def test_numba_against_torch(problem: Problem, request: pytest.FixtureRequest):
    only_when_timing(request)
    speedup = ratio(
        lambda: problem.forward_and_table_gradient("numba"), lambda: problem.forward_and_table_gradient("torch")
    )
    note("hash grid with table gradient, 2^19 entries: numba against plain torch", speedup, GOAL)
