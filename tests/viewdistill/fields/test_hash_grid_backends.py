"""Which back end of the hash grid is chosen, what is said of the others, and the wrapper around tiny-cuda-nn."""

import importlib.util
import sys
from types import ModuleType
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from viewdistill.errors import ViewDistillError
from viewdistill.fields import hash_grid_backends, hash_grid_torch
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig
from viewdistill.fields.hash_grid_backends import PROBE, TOLERANCE, Backend, choose, fastest, obstacle, probe
from viewdistill.fields.hash_grid_tinycudann import TinyCudaNNEncoder, encoding_config
from viewdistill.fields.hash_grid_torch import TorchEncoder
from viewdistill.fields.sdf_field import SDFField

CPU = torch.device("cpu")
CONFIG = HashGridConfig(2, 2, 8, 4, 2.0, "smoothstep")


def test_auto_is_numba_on_a_cpu_and_torch_in_other_precisions_and_places():
    grid = HashGrid(CONFIG)
    assert grid.backend == "numba"
    assert grid.double().backend == "torch"
    assert grid(torch.rand(3, 3)).dtype == torch.float64
    assert grid.float().backend == "numba"
    assert grid.to("meta").backend == "torch"
    assert "backend='torch'" in repr(grid)


def test_a_back_end_that_was_asked_for_stays():
    grid = HashGrid(CONFIG, "torch")
    assert grid.double().float().backend == "torch"


def test_numba_elsewhere_or_in_double_is_named():
    with pytest.raises(ValueError, match=r"numba back end computes in float32, not torch\.float64"):
        HashGrid(CONFIG, "numba").double()(torch.rand(3, 3))
    with pytest.raises(ValueError, match="numba back end runs on a CPU, its parameters are on meta"):
        HashGrid(CONFIG, "numba").to("meta")(torch.rand(3, 3, device="meta"))


@pytest.mark.skipif(importlib.util.find_spec("tinycudann") is not None, reason="tiny-cuda-nn is installed")
def test_asking_for_what_is_not_installed_is_one_line():
    with pytest.raises(ViewDistillError, match="tinycudann needs tiny-cuda-nn, which is not installed"):
        HashGrid(CONFIG, "tinycudann")
    assert obstacle("tinycudann", CPU) == "not installed"


class Wrong(TorchEncoder):
    """Plain torch with a mistake in one place."""

    def __init__(self, mistake: str):
        super().__init__(PROBE)
        object.__setattr__(self, "mistake", mistake)

    def encode(self, points: Tensor, params: Tensor, active_levels: int) -> Tensor:
        encoded = super().encode(points, params, active_levels)
        mistake: str = self.mistake  # pyright: ignore[reportAttributeAccessIssue]
        if mistake == "features":
            return encoded + 0.01
        if mistake == "gradient":
            return encoded + 0.01 * (points.sum() - points.sum().detach())
        return encoded

    def point_gradient(self, points: Tensor, params: Tensor, gradient: Tensor, active_levels: int) -> Tensor:
        slope = super().point_gradient(points, params, gradient, active_levels)
        mistake: str = self.mistake  # pyright: ignore[reportAttributeAccessIssue]
        return slope + 0.1 * (params.sum() - params.sum().detach()) if mistake == "second" else slope


def test_the_probe_finds_what_is_wrong():
    assert probe(TorchEncoder(PROBE), CPU) == 0
    with torch.inference_mode():
        assert probe(TorchEncoder(PROBE), CPU) == 0
    for mistake in ("features", "gradient", "second"):
        assert probe(Wrong(mistake), CPU) > TOLERANCE, mistake


def test_the_probe_takes_nan_for_wrong():
    class Nan(TorchEncoder):
        def encode(self, points: Tensor, params: Tensor, active_levels: int) -> Tensor:
            return super().encode(points, params, active_levels) * torch.nan

    assert not probe(Nan(PROBE), CPU) <= TOLERANCE


def test_the_probe_leaves_the_stream_of_randomness_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    probe(TorchEncoder(PROBE), CPU)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.skipif(torch.cuda.is_available(), reason="compiled on this machine's GPU instead")
def test_a_failing_compiler_is_an_obstacle_and_not_a_stack_trace(monkeypatch: pytest.MonkeyPatch):
    def failing(*_: Any) -> float:
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC")

    obstacle.cache_clear()
    assert obstacle("triton", CPU) is None
    obstacle.cache_clear()
    monkeypatch.setattr(hash_grid_backends, "probe", failing)
    try:
        assert obstacle("triton", CPU) == "does not work here: Failed to find C compiler."
        with pytest.raises(
            ViewDistillError, match=r"triton cannot be used on cpu \(does not work here: Failed to find"
        ):
            HashGrid(CONFIG, "triton")(torch.rand(3, 3))
        monkeypatch.setattr(hash_grid_backends, "probe", lambda *_: 0.5)
        obstacle.cache_clear()
        assert obstacle("triton", CPU) == "differs from plain torch by 5.0e-01"
    finally:
        obstacle.cache_clear()


def test_where_no_gpu_back_end_works_plain_torch_is_chosen_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(hash_grid_backends, "obstacle", lambda backend, _: f"no {backend}")
    assert choose(torch.device("cuda")) == "torch"
    assert "Triton: no triton" in caplog.text
    assert "viewdistill doctor" in caplog.text
    monkeypatch.setattr(hash_grid_backends, "obstacle", lambda backend, _: None if backend == "triton" else "broken")
    assert choose(torch.device("cuda")) == "triton"
    monkeypatch.setattr(hash_grid_backends, "obstacle", lambda *_: None)
    assert choose(torch.device("cuda")) == "triton"
    monkeypatch.setattr(
        hash_grid_backends, "obstacle", lambda backend, _: None if backend == "tinycudann" else "broken"
    )
    assert choose(torch.device("cuda")) == "tinycudann"


def test_of_two_back_ends_the_faster_is_chosen():
    class Slow(TorchEncoder):
        def encode(self, points: Tensor, params: Tensor, active_levels: int) -> Tensor:
            repeated = [super(Slow, self).encode(points, params, active_levels) for _ in range(5)]
            return torch.stack(repeated).mean(0)

    torch.manual_seed(0)
    before = torch.get_rng_state()
    quick, slow = TorchEncoder(PROBE), Slow(PROBE)
    assert fastest({"triton": quick, "tinycudann": slow}, PROBE, CPU) == "triton"
    assert fastest({"triton": slow, "tinycudann": quick}, PROBE, CPU) == "tinycudann"
    assert torch.equal(torch.get_rng_state(), before)


def test_fields_can_name_every_back_end():
    for backend in get_args(Backend):
        if backend in ("auto", "numba", "torch") or importlib.util.find_spec(backend):
            assert DensityField(CONFIG, backend=backend).grid._asked_for == backend  # pyright: ignore[reportPrivateUsage]
            assert SDFField(CONFIG, backend=backend).grid._asked_for == backend  # pyright: ignore[reportPrivateUsage]


class DemandsContiguous(torch.autograd.Function):
    """Refuses gradients of any order that are laid out otherwise, as tiny-cuda-nn's kernels do."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        assert values.is_contiguous()
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        assert grad_outputs[0].is_contiguous(), "must be contiguous"
        return DemandsContiguous.apply(grad_outputs[0])


class Encoding(nn.Module):
    """tiny-cuda-nn's `Encoding` as its `modules.py` has it, with plain torch for the kernels."""

    def __init__(self, n_input_dims: int, encoding_config: dict[str, Any], seed: int = 1337, dtype: Any = None):
        super().__init__()
        assert (n_input_dims, dtype) == (3, torch.float32)
        assert (encoding_config["otype"], encoding_config["type"]) == ("Grid", "Hash")
        names = ("n_levels", "n_features_per_level", "log2_hashmap_size", "base_resolution", "per_level_scale")
        smooth = {"Linear": "linear", "Smoothstep": "smoothstep"}[encoding_config["interpolation"]]
        self.config = HashGridConfig(*(encoding_config[name] for name in names), interpolation=smooth)  # pyright: ignore[reportArgumentType]
        self.n_output_dims = self.config.n_output_dims
        self.params = nn.Parameter(torch.rand(self.config.n_params))

    def forward(self, x: Tensor) -> Tensor:
        x = DemandsContiguous.apply(x)  # pyright: ignore[reportAssignmentType]
        return DemandsContiguous.apply(self.encode(x))  # pyright: ignore[reportReturnType]

    def encode(self, x: Tensor) -> Tensor:
        # its batches are multiples of 256, and it takes no empty one
        assert len(x) > 0
        padded = nn.functional.pad(x, [0, 0, 0, -len(x) % 256])
        encoded = hash_grid_torch.encode(padded.float(), self.params, self.config, self.config.n_levels)
        return encoded[: len(x), : self.n_output_dims]


@pytest.fixture
def tinycudann(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("tinycudann")
    module.Encoding = Encoding  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "tinycudann", module)
    return module


@pytest.mark.usefixtures("tinycudann")
@pytest.mark.parametrize("active_levels", [1, 2])
def test_tiny_cuda_nn_computes_with_our_parameters(active_levels: int):
    torch.manual_seed(0)
    encoder, oracle = TinyCudaNNEncoder(CONFIG, CPU), TorchEncoder(CONFIG)
    params = nn.Parameter(torch.randn(CONFIG.n_params))
    points, weights = torch.rand(10, 3), torch.randn(10, 4)
    results = []
    for each in (encoder, oracle):
        x, g = points.clone().requires_grad_(), weights.clone().requires_grad_()
        encoded = each.encode(x, params, active_levels)
        first = torch.autograd.grad(encoded, (x, params), weights)
        slope = each.point_gradient(points, params, g, active_levels)
        results.append((encoded, *first, slope, *torch.autograd.grad(slope.square().sum(), (g, params))))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)
    assert (results[0][0][:, 2 * active_levels :] == 0).all()
    empty = encoder.encode(torch.empty(0, 3), params, active_levels)
    empty.sum().backward()
    assert params.grad is not None
    assert (params.grad == 0).all()


@pytest.mark.usefixtures("tinycudann")
def test_a_table_that_is_no_parameter_gets_its_gradient():
    torch.manual_seed(0)
    encoder, root = TinyCudaNNEncoder(CONFIG, CPU), nn.Parameter(torch.randn(CONFIG.n_params))
    encoder.encode(torch.rand(10, 3), 2 * root, 2).sum().backward()
    assert root.grad is not None
    assert root.grad.abs().max() > 0


@pytest.mark.usefixtures("tinycudann")
def test_gradients_of_both_orders_reach_the_library_contiguous():
    torch.manual_seed(0)
    encoder, oracle = TinyCudaNNEncoder(CONFIG, CPU), TorchEncoder(CONFIG)
    params, points, g = nn.Parameter(torch.randn(CONFIG.n_params)), torch.rand(10, 3), torch.randn(4, 10).t()
    results: list[tuple[Tensor, ...]] = []
    for each in (encoder, oracle):
        slope = each.point_gradient(points, params, g, 2)
        # the sum's gradient is one number, expanded
        results.append((slope, *torch.autograd.grad(slope.sum(), params)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("tinycudann")
def test_a_library_with_another_layout_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Encoding, "__init__", _with_too_few_params)
    with pytest.raises(
        ViewDistillError, match=f"7 parameters and 4 features where the hash grid has {CONFIG.n_params}"
    ):
        TinyCudaNNEncoder(CONFIG, CPU)


def _with_too_few_params(self: Encoding, *_: Any, **__: Any) -> None:
    nn.Module.__init__(self)
    self.params, self.n_output_dims = nn.Parameter(torch.zeros(7)), 4


def test_the_configuration_is_in_tiny_cuda_nns_words():
    assert encoding_config(CONFIG) == {
        "otype": "Grid",
        "type": "Hash",
        "n_levels": 2,
        "n_features_per_level": 2,
        "log2_hashmap_size": 8,
        "base_resolution": 4,
        "per_level_scale": 2.0,
        "interpolation": "Smoothstep",
    }
