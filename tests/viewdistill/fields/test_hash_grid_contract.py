"""What every back end of the hash grid promises, each held against plain torch on the CPU.

Triton's kernels run on a GPU where there is one, and in Triton's interpreter elsewhere, for whose sake the grids are
small.
"""

import importlib.util
import sys
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from viewdistill.fields.hash_grid import Backend, HashGrid, HashGridConfig

HAS_GPU = torch.cuda.is_available()
ON_GPU = [pytest.mark.gpu, pytest.mark.skipif(not HAS_GPU, reason="no CUDA device")]


@dataclass(frozen=True)
class Place:
    """A back end, and where its parameters are."""

    backend: Backend
    device: str

    def grid(self, config: HashGridConfig, params: Tensor) -> HashGrid:
        grid = HashGrid(config, self.backend)
        grid.load_state_dict({"params": params})
        return grid.to(self.device)


def without(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed; `viewdistill doctor` says how")


TRITON = pytest.param(
    Place("triton", "cpu"),
    id="triton-interpreted",
    marks=[without("triton"), pytest.mark.skipif(HAS_GPU, reason="compiled on this machine's GPU instead")],
)
TRITON_ON_GPU = pytest.param(Place("triton", "cuda"), id="triton", marks=[*ON_GPU, without("triton")])
EVERYWHERE = [
    pytest.param(Place("numba", "cpu"), id="numba"),
    TRITON,
    pytest.param(Place("torch", "cuda"), id="torch-on-gpu", marks=ON_GPU),
    TRITON_ON_GPU,
]
TINYCUDANN = pytest.param(Place("tinycudann", "cuda"), id="tinycudann", marks=[*ON_GPU, without("tinycudann")])
ALL = [*EVERYWHERE, TINYCUDANN]

CONFIG = HashGridConfig(n_levels=2, n_features_per_level=2, log2_hashmap_size=8, base_resolution=4, per_level_scale=2.0)
"""A dense level and a hashed one."""


def sized(n_features: int, smooth: bool) -> HashGridConfig:
    return HashGridConfig(2, n_features, 8, 4, 2.0, "smoothstep" if smooth else "linear")


SIZES = [pytest.param(sized(1, True), id="1-smooth"), pytest.param(sized(2, False), id="2-linear")]
SIZES += [pytest.param(replace(sized(2, False), half_features=True), id="2-half")]
LARGER_SIZES = [pytest.param(sized(4, False), id="4-linear"), pytest.param(sized(8, True), id="8-smooth")]


def twins(place: Place, config: HashGridConfig = CONFIG) -> tuple[HashGrid, HashGrid]:
    """The back end under test and plain torch on the CPU, with the same parameters."""
    torch.manual_seed(0)
    params = torch.randn(config.n_params)
    return place.grid(config, params), Place("torch", "cpu").grid(config, params)


def assert_close(found: Tensor, expected: Tensor, relative: float = 1e-5):
    """Within a fraction of the largest magnitude: sums of floats in another order."""
    found = found.detach().cpu()
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == torch.float32
    assert expected.abs().max() > 0
    assert (found - expected.detach()).abs().max() <= relative * expected.detach().abs().max()


def assert_all_close(results: list[tuple[Tensor, ...]]):
    for found, expected in zip(*results, strict=True):
        assert_close(found, expected)


def test_triton_is_there_to_be_tested():
    # where Triton has wheels it belongs to the development environment: its tests must not vanish silently
    assert sys.platform != "linux" or importlib.util.find_spec("triton") is not None


@pytest.mark.parametrize("place", ALL)
@pytest.mark.parametrize("config", [*SIZES, *LARGER_SIZES])
def test_features_and_first_derivatives(place: Place, config: HashGridConfig):
    # a part of the points lies beyond the cube, on either side, and their number is no multiple of a kernel's block
    grids = twins(place, config)
    points, weights = torch.rand(600, 3) * 1.4 - 0.2, torch.randn(600, config.n_output_dims)
    results: list[tuple[Tensor, ...]] = []
    for grid in grids:
        x = points.to(grid.params.device).requires_grad_()
        encoded = grid(x)
        results.append((encoded, *torch.autograd.grad(encoded, (x, grid.params), weights.to(x.device))))
    assert_all_close(results)


@pytest.mark.parametrize("place", ALL)
@pytest.mark.parametrize("config", SIZES)
def test_second_derivatives(place: Place, config: HashGridConfig):
    grids = twins(place, config)
    points, weights, vectors = torch.rand(60, 3), torch.randn(60, config.n_output_dims), torch.randn(60, 3)
    results: list[tuple[Tensor, ...]] = []
    for grid in grids:
        device = grid.params.device
        x, g = points.to(device).requires_grad_(), weights.to(device).requires_grad_()
        (by_points,) = torch.autograd.grad(grid(x), x, g, create_graph=True)
        results.append(torch.autograd.grad(by_points, (g, x, grid.params), vectors.to(device)))
    assert_all_close(results)


@pytest.mark.parametrize("place", ALL)
def test_the_point_gradient_and_its_derivatives(place: Place):
    results: list[tuple[Tensor, ...]] = []
    grids = twins(place, sized(2, smooth=True))
    points, weights = torch.rand(60, 3), torch.randn(60, 4)
    for grid in grids:
        device = grid.params.device
        g = weights.to(device).requires_grad_()
        slope = grid.point_gradient(points.to(device), g)
        results.append((slope, *torch.autograd.grad(slope.square().sum(), (g, grid.params))))
        with torch.no_grad():
            assert not grid.point_gradient(points.to(device), g).requires_grad
    assert_all_close(results)


@pytest.mark.parametrize("place", EVERYWHERE)  # tiny-cuda-nn does not differentiate its table gradient
def test_the_table_gradient_is_differentiable(place: Place):
    results: list[tuple[Tensor, ...]] = []
    grids = twins(place)
    points, weights = torch.rand(60, 3), torch.randn(60, 4)
    for grid in grids:
        device = grid.params.device
        x, g = points.to(device).requires_grad_(), weights.to(device).requires_grad_()
        (by_params,) = torch.autograd.grad(grid(x), grid.params, g, create_graph=True)
        ramp = torch.linspace(-1, 1, len(by_params), device=device)
        results.append(torch.autograd.grad(by_params, (g, x), ramp))
    assert_all_close(results)


@pytest.mark.parametrize("place", ALL)
def test_lattice_points_read_their_own_entries(place: Place):
    config = HashGridConfig(1, 2, 12, 4, 2.0)
    grid = place.grid(config, torch.arange(config.n_params, dtype=torch.float32))
    # p = 3 x + 0.5 is the lattice point (1, 2, 0): row 1 + 4 * 2 = 9, features 18 and 19
    point = torch.tensor([[0.5 / 3, 1.5 / 3, -0.5 / 3]], device=place.device)
    assert_close(grid(point), torch.tensor([[18.0, 19.0]]))


@pytest.mark.parametrize("place", ALL)
def test_the_upper_edge_of_a_dense_level_wraps_around(place: Place):
    grid = place.grid(HashGridConfig(1, 1, 12, 4, 2.0), torch.arange(64, dtype=torch.float32))
    # p = 3.5 in every axis: corners 3 and 4; rows 3 + dx + 4 (3 + dy) + 16 (3 + dz) modulo 64
    rows = [(3 + dx + 4 * (3 + dy) + 16 * (3 + dz)) % 64 for dx in (0, 1) for dy in (0, 1) for dz in (0, 1)]
    assert_close(grid(torch.ones(1, 3, device=place.device)), torch.tensor([[sum(rows) / 8]]))


@pytest.mark.parametrize("place", ALL)
def test_inactive_levels_are_zero_and_receive_no_gradient(place: Place):
    grid, _ = twins(place)
    points = torch.rand(50, 3, device=place.device)
    full = grid(points)
    for n_active in (1, 0, 2):
        grid.active_levels = n_active
        grid.params.grad = None
        masked = grid(points)
        torch.testing.assert_close(masked[:, : 2 * n_active], full[:, : 2 * n_active])
        assert (masked[:, 2 * n_active :] == 0).all()
        masked.sum().backward()
        assert grid.params.grad is not None
        end = grid.config.levels()[n_active].offset * 2 if n_active < 2 else len(grid.params)
        assert (grid.params.grad[end:] == 0).all()
        assert grid.params.grad[:end].sum().item() == pytest.approx(2 * n_active * 50, rel=1e-4)


@pytest.mark.parametrize("place", ALL)
def test_no_points_are_legal(place: Place):
    grid, _ = twins(place)
    encoded = grid(torch.empty(0, 3, device=place.device))
    assert encoded.shape == (0, 4)
    encoded.sum().backward()
    assert grid.params.grad is not None
    assert (grid.params.grad == 0).all()
    empty = torch.empty(0, 3, device=place.device)
    assert grid.point_gradient(empty, torch.empty(0, 4, device=place.device)).shape == (0, 3)


@pytest.mark.parametrize("place", ALL)
def test_a_checkpoint_moves_both_ways_and_training_goes_on(place: Place, tmp_path):
    grid, slow = twins(place)
    points = torch.rand(100, 3)
    for source, target in ((grid, slow), (slow, grid)):
        # a step in one back end, saved, is what the other goes on from
        optimizer = torch.optim.SGD(source.parameters(), lr=0.1)
        source(points.to(source.params.device)).square().sum().backward()
        optimizer.step()
        torch.save(source.state_dict(), tmp_path / "grid.pt")
        target.params.data.zero_()
        assert source.state_dict().keys() == target.state_dict().keys() == {"params"}
        target.load_state_dict(torch.load(tmp_path / "grid.pt", weights_only=True))
        assert_close(grid(points.to(place.device)), slow(points))


@pytest.mark.parametrize("place", [TRITON, TRITON_ON_GPU])
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_any_size_and_any_dtype(place: Place, data: st.DataObject):
    config = HashGridConfig(
        n_levels=data.draw(st.integers(1, 3)),
        n_features_per_level=data.draw(st.sampled_from([1, 2, 4, 8])),
        log2_hashmap_size=data.draw(st.integers(3, 9)),
        base_resolution=data.draw(st.integers(2, 9)),
        per_level_scale=data.draw(st.floats(1.0, 2.5)),
        interpolation=data.draw(st.sampled_from(["linear", "smoothstep"])),
    )
    grid, slow = twins(place, config)
    dtype = data.draw(st.sampled_from([torch.float16, torch.float32, torch.float64]))
    points = (torch.rand(data.draw(st.sampled_from([0, 1, 7, 513])), 3) * 6 - 3).to(dtype)
    slow.active_levels = grid.active_levels = data.draw(st.integers(0, config.n_levels))
    encoded = grid(points.to(place.device))
    expected = slow(points)
    assert (encoded.shape, encoded.dtype) == (expected.shape, torch.float32)
    torch.testing.assert_close(encoded.detach().cpu(), expected.detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="no CUDA device")
def test_auto_follows_the_parameters_to_the_gpu_and_back():
    grid, slow = twins(Place("auto", "cpu"))
    assert grid.backend == "numba"
    points = torch.rand(100, 3)
    before = grid(points)
    grid.to("cuda")
    assert grid.backend in ("tinycudann", "triton")
    assert_close(grid(points.cuda()), before.detach())
    grid.to("cpu")
    assert grid.backend == "numba"
    assert_close(grid(points), slow(points))


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="no CUDA device")
@pytest.mark.parametrize("place", [TRITON_ON_GPU, TINYCUDANN])
def test_the_official_grid_at_full_size(place: Place):
    grid, slow = twins(place, HashGridConfig())
    points, weights = torch.rand(100_000, 3), torch.randn(100_000, 32)
    found, expected = grid(points.cuda()), slow(points)
    # 4,096 cells a side leave a fraction 12 bits of a float's 24
    assert_close(found, expected, 1e-3)
    found.backward(weights.cuda())
    expected.backward(weights)
    assert grid.params.grad is not None
    assert slow.params.grad is not None
    assert_close(grid.params.grad, slow.params.grad, 1e-3)


@pytest.mark.parametrize("place", ALL)
def test_known_features_are_part_of_the_graph_again(place: Place):
    grid, _ = twins(place)
    points = torch.rand(50, 3, device=place.device)
    gradients = []
    for known in (None, grid(points).detach()):
        features = grid(points, known)
        gradients.append(torch.autograd.grad(features.square().sum(), grid.params)[0])
        assert_close(features, grid(points).cpu())
    assert_close(gradients[1], gradients[0].cpu())
