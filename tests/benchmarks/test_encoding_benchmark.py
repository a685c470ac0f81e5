"""Our hash grid against nerfstudio's way of computing one without tiny-cuda-nn.

`nerfstudio_encode` is written here after nerfstudio's torch fallback: all levels at once, every corner of every level
hashed, eight gathers from one table, linear interpolation. Scales and rounding are its own, hence the features differ
from ours; the amount of work is the same.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from tests.benchmarks.pairs import note, only_when_timing, ratio
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig
from viewdistill.fields.hash_grid_layout import PRIMES

# the grid of configs/field.yaml with as many points as a step has samples, and the official grid
SIZES = {
    "2^16 entries": (HashGridConfig(8, 2, 16, 16, 1.3459), 65_536, 10.0),
    "2^19 entries": (HashGridConfig(), 131_072, 20.0),
}
"""Grid, points and goal by name."""


def nerfstudio_encode(points: Tensor, table: Tensor, scales: Tensor, entries: int) -> Tensor:
    """Features [n, levels * features] of points [n, 3] from a table [levels * entries, features]."""
    scaled = points[:, None, :] * scales[:, None]
    low, high = scaled.floor().long(), scaled.ceil().long()
    fraction = scaled - low
    levels = torch.arange(len(scales)) * entries
    features: list[Tensor] = []
    for x in (low, high):
        for y in (low, high):
            for z in (low, high):
                hashed = (x[..., 0] * PRIMES[0]) ^ (y[..., 1] * PRIMES[1]) ^ (z[..., 2] * PRIMES[2])
                features.append(table[hashed % entries + levels])
    for axis in (2, 1, 0):
        weight = fraction[..., axis, None]
        features = [a * (1 - weight) + b * weight for a, b in zip(features[::2], features[1::2], strict=True)]
    return features[0].flatten(1)


class Problem:
    """Points, our grid, and a table of nerfstudio's kind.

    Args:
        config: Size of both.
        n_points: How many.
    """

    def __init__(self, config: HashGridConfig, n_points: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.points = torch.rand(n_points, 3, generator=generator)
        self.gradient = torch.randn(n_points, config.n_output_dims, generator=generator)
        self.grid = HashGrid(config)
        self.entries = 2**config.log2_hashmap_size
        self.scales = (config.base_resolution * config.per_level_scale ** torch.arange(config.n_levels)).floor()
        self.table = torch.randn(config.n_levels * self.entries, config.n_features_per_level, generator=generator)
        self.table.requires_grad_()

    def ours(self) -> None:
        self.grid.zero_grad()
        self.grid(self.points).backward(self.gradient)

    def nerfstudio(self) -> None:
        self.table.grad = None
        nerfstudio_encode(self.points, self.table, self.scales, self.entries).backward(self.gradient)


@pytest.fixture(scope="module", params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def problem(size: str) -> Problem:
    config, n_points, _ = SIZES[size]
    return Problem(config, n_points)


@pytest.mark.benchmark(group="hash encoding with table gradient")
@pytest.mark.parametrize("way", ["ours", "nerfstudio"])
def test_encode_and_table_gradient(benchmark: BenchmarkFixture, problem: Problem, way: str) -> None:
    benchmark.pedantic(getattr(problem, way), rounds=5, warmup_rounds=1)


def test_the_other_way_interpolates_its_table(problem: Problem) -> None:
    # at a lattice point of the coarsest level, its features are the entry itself
    point = torch.tensor([[3.0, 5.0, 7.0]]) / problem.scales[0]
    row = (3 * PRIMES[0] ^ 5 * PRIMES[1] ^ 7 * PRIMES[2]) % problem.entries
    encoded = nerfstudio_encode(point, problem.table, problem.scales, problem.entries)
    torch.testing.assert_close(encoded[0, :2], problem.table[row], rtol=0, atol=1e-4)


def test_ours_against_nerfstudio(problem: Problem, size: str, request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    note(
        f"hash encoding, {size}, against nerfstudio's torch fallback",
        ratio(problem.ours, problem.nerfstudio),
        SIZES[size][2],
    )
