import multiprocessing
import threading

import pytest
import torch
from torch import Tensor

from viewdistill.fields import hash_grid_torch
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig

# three dense levels and three hashed ones
CONFIG = {"n_levels": 6, "log2_hashmap_size": 10, "base_resolution": 4, "per_level_scale": 1.5}


def twins(n_features: int = 2, smooth: bool = False) -> tuple[HashGrid, HashGrid]:
    torch.manual_seed(0)
    config = HashGridConfig(
        n_features_per_level=n_features, interpolation="smoothstep" if smooth else "linear", **CONFIG
    )
    fast, slow = HashGrid(config, "numba"), HashGrid(config, "torch")
    values = torch.randn(config.n_params)
    for grid in (fast, slow):
        grid.load_state_dict({"params": values})
    return fast, slow


def assert_close(a: Tensor, b: Tensor, relative: float = 1e-5):
    """Within a fraction of the largest magnitude: sums of floats in another order."""
    assert a.shape == b.shape
    assert b.abs().max() > 0
    assert (a - b).abs().max() <= relative * b.abs().max()


def test_parameters_start_small_and_uniform():
    params = HashGrid(HashGridConfig(4, 2, 12)).params.detach()
    assert params.dtype == torch.float32
    assert params.abs().max() <= 1e-4
    assert params.std() == pytest.approx(1e-4 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_lattice_points_read_their_own_entries(backend: str):
    config = HashGridConfig(1, 2, 12, 4, 2.0)
    grid = HashGrid(config, backend)  # pyright: ignore[reportArgumentType]
    grid.load_state_dict({"params": torch.arange(config.n_params, dtype=torch.float32)})
    # p = 3 x + 0.5 is the lattice point (1, 2, 0): row 1 + 4 * 2 = 9, features 18 and 19
    point = torch.tensor([[0.5 / 3, 1.5 / 3, -0.5 / 3]])
    torch.testing.assert_close(grid(point), torch.tensor([[18.0, 19.0]]))


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_upper_edge_of_a_dense_level_wraps_around(backend: str):
    config = HashGridConfig(1, 1, 12, 4, 2.0)
    grid = HashGrid(config, backend)  # pyright: ignore[reportArgumentType]
    grid.load_state_dict({"params": torch.arange(64, dtype=torch.float32)})
    # p = 3.5 in every axis: corners 3 and 4; rows 3 + dx + 4 (3 + dy) + 16 (3 + dz) modulo 64
    rows = [(3 + dx + 4 * (3 + dy) + 16 * (3 + dz)) % 64 for dx in (0, 1) for dy in (0, 1) for dz in (0, 1)]
    torch.testing.assert_close(grid(torch.ones(1, 3)), torch.tensor([[sum(rows) / 8]]))


def test_hash_is_the_prime_hash_in_32_bits():
    level = HashGridConfig(1, 2, 10, 64, 2.0).levels()[0]
    assert level.hashed
    expected = (7 ^ (11 * 2654435761 & 0xFFFFFFFF) ^ (13 * 805459861 & 0xFFFFFFFF)) % 1024
    assert hash_grid_torch.rows(torch.tensor([7, 11, 13]), level).item() == expected


@pytest.mark.parametrize("n_features", [1, 2, 4, 8])
@pytest.mark.parametrize("smooth", [False, True])
def test_numba_matches_torch_to_first_order(n_features: int, smooth: bool):
    results = []
    points = torch.rand(500, 3) * 1.2 - 0.1
    weights = torch.randn(500, 6 * n_features)
    for grid in twins(n_features, smooth):
        x = points.clone().requires_grad_()
        encoded = grid(x)
        results.append((encoded, *torch.autograd.grad(encoded, (x, grid.params), weights)))
    for fast, slow in zip(*results, strict=True):
        assert_close(fast, slow)


@pytest.mark.parametrize("n_features", [1, 2, 4])
@pytest.mark.parametrize("smooth", [False, True])
def test_numba_matches_torch_to_second_order(n_features: int, smooth: bool):
    results = []
    points, weights, v = torch.rand(300, 3), torch.randn(300, 6 * n_features), torch.randn(300, 3)
    for grid in twins(n_features, smooth):
        x, g = points.clone().requires_grad_(), weights.clone().requires_grad_()
        (by_points,) = torch.autograd.grad(grid(x), x, g, create_graph=True)
        results.append(torch.autograd.grad(by_points, (g, x, grid.params), v))
    for fast, slow in zip(*results, strict=True):
        assert_close(fast, slow)


def test_table_gradient_is_differentiable():
    results = []
    points, weights = torch.rand(300, 3), torch.randn(300, 12)
    for grid in twins():
        x, g = points.clone().requires_grad_(), weights.clone().requires_grad_()
        (by_params,) = torch.autograd.grad(grid(x), grid.params, g, create_graph=True)
        u = torch.linspace(-1, 1, len(by_params))
        results.append(torch.autograd.grad(by_params, (g, x), u))
    for fast, slow in zip(*results, strict=True):
        assert_close(fast, slow)


def test_torch_backend_passes_gradcheck_in_double():
    config = HashGridConfig(2, 2, 10, 3, 2.0, "smoothstep")
    grid = HashGrid(config, "torch").double()
    # away from cell faces, where the second derivative jumps
    points = (torch.randint(2, (5, 3)) + 0.3 + 0.4 * torch.rand(5, 3)).double() / 5
    points.requires_grad_()
    assert torch.autograd.gradcheck(grid, (points,))
    assert torch.autograd.gradgradcheck(grid, (points,))


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_inactive_levels_are_zero_and_receive_no_gradient(backend: str):
    grid = HashGrid(HashGridConfig(**CONFIG), backend)  # pyright: ignore[reportArgumentType]
    points = torch.rand(50, 3)
    full = grid(points)
    grid.active_levels = 2
    masked = grid(points)
    torch.testing.assert_close(masked[:, :4], full[:, :4])
    assert (masked[:, 4:] == 0).all()
    masked.sum().backward()
    assert grid.params.grad is not None
    end = grid.config.levels()[2].offset * 2
    assert (grid.params.grad[end:] == 0).all()
    assert grid.params.grad[:end].sum() == pytest.approx(4 * 50, rel=1e-4)


def test_impossible_active_levels_are_named():
    with pytest.raises(ValueError, match="active_levels is 7"):
        HashGrid(HashGridConfig(**CONFIG)).active_levels = 7


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_no_points_are_legal(backend: str):
    grid = HashGrid(HashGridConfig(**CONFIG), backend)  # pyright: ignore[reportArgumentType]
    encoded = grid(torch.empty(0, 3))
    assert encoded.shape == (0, 12)
    encoded.sum().backward()
    assert grid.params.grad is not None
    assert (grid.params.grad == 0).all()


def test_result_does_not_depend_on_the_number_of_threads():
    fast, _ = twins()
    points, before = torch.rand(1001, 3), torch.get_num_threads()
    results = []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            x = points.clone().requires_grad_()
            encoded = fast(x)
            results.append((encoded, *torch.autograd.grad(encoded.sum(), (x, fast.params))))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_two_threads_can_encode_at_once():
    fast, slow = twins()
    points = torch.rand(2000, 3)
    results: list[Tensor] = []

    def work() -> None:
        results.extend(fast(points).detach() for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 10
    for result in results:
        assert_close(result, slow(points).detach())


def _checksum(grid: HashGrid, points: Tensor, queue: "multiprocessing.Queue[float]") -> None:
    torch.set_num_threads(1)  # torch's own OpenMP pool does not survive a fork
    queue.put(float(grid(points).detach().double().sum()))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_can_encode():
    fast, _ = twins()
    points = torch.rand(2000, 3)
    expected = float(fast(points).detach().double().sum())
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[float] = context.Queue()  # pyright: ignore[reportAssignmentType]
    process = context.Process(target=_checksum, args=(fast, points, queue))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join(60)
    assert process.exitcode == 0


def test_a_checkpoint_moves_between_backends(tmp_path):
    fast, slow = twins()
    torch.save(fast.state_dict(), tmp_path / "grid.pt")
    slow.params.data.zero_()
    slow.load_state_dict(torch.load(tmp_path / "grid.pt", weights_only=True))
    points = torch.rand(100, 3)
    assert_close(fast(points), slow(points))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_positions_keep_float32_with_half_a_table(dtype: torch.dtype):
    # cells of the finest level are 1/1024 wide, which half precision cannot tell apart
    torch.manual_seed(0)
    config = HashGridConfig(1, 2, 14, 1024, 1.0)
    table, points = torch.randn(config.n_params), torch.rand(200, 3)
    grid = HashGrid(config, "torch")
    grid.load_state_dict({"params": table})
    expected, found = grid(points), grid.to(dtype)(points)
    assert found.dtype == torch.float32
    error = (found - expected).norm() / expected.norm()
    assert error < {torch.float16: 1e-3, torch.bfloat16: 5e-3}[dtype]


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_positions_are_rounded_once(backend: str):
    # on one level of a single cell a side, with 1 in x's upper corners and 0 elsewhere, the feature is the fraction
    config = HashGridConfig(1, 1, 3, 2, 1.0)
    (level,) = config.levels()
    x = torch.rand(4000, generator=torch.Generator().manual_seed(0)) / 2
    points = torch.stack([x, torch.full_like(x, 0.5), torch.full_like(x, 0.5)], -1)
    grid = HashGrid(config, backend)  # pyright: ignore[reportArgumentType]
    grid.load_state_dict({"params": torch.tensor([0.0, 1.0]).repeat(4)})
    found = grid(points)[:, 0].detach()
    position = (x.double() * level.scale + 0.5).float()
    assert torch.equal(found, position - position.floor())
