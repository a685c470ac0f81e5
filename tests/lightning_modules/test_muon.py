"""Muon: what its updates are, and that it trains."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_modules.priors import muon
from lightning_modules.priors.muon import ADAMW_RMS, Muon, orthogonalized


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same path on every processor, whether bfloat16 is fast on it or not."""
    monkeypatch.setattr(muon, "fast_bfloat16", lambda device: False)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_the_result_is_near_the_semi_orthogonal_factor(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], bfloat16: bool
) -> None:
    torch.manual_seed(0)
    rows, columns = shape
    u, _, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    # Singular values over a factor of 30: an iteration that leaves small ones behind fails.
    matrix = u @ torch.diag(torch.logspace(0, -1.5, min(shape))) @ vh
    monkeypatch.setattr(muon, "fast_bfloat16", lambda device: bfloat16)
    found = orthogonalized(matrix[None])[0]
    assert found.shape == (rows, columns)
    values = torch.linalg.svdvals(found)
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
    core = u.T @ found @ vh.T  # the singular vectors stay, in their order
    torch.testing.assert_close(core, torch.diag(core.diagonal()), atol=0.02 if bfloat16 else 1e-3, rtol=0)
    assert (core.diagonal() > 0).all()


def test_scale_of_the_gradient_does_not_matter_and_size_of_an_update_is_that_of_adamw() -> None:
    torch.manual_seed(0)
    gradient = torch.randn(8, 4, 3, 3)
    moved: list[torch.Tensor] = []
    for scale in (1.0, 1e-3):
        kernel = nn.Parameter(torch.zeros(8, 4, 3, 3))
        optimizer = Muon([{"params": [kernel], "orthogonal": True}], lr=0.1)
        kernel.grad = gradient * scale
        optimizer.step()
        moved.append(kernel.detach().clone())
    torch.testing.assert_close(moved[0], moved[1], atol=1e-5, rtol=1e-3)
    # A semi-orthogonal m by n matrix (m <= n) has entries of root mean square 1 / sqrt(n).
    assert float(moved[0].square().mean().sqrt()) == pytest.approx(0.1 * ADAMW_RMS, rel=0.2)


def test_other_groups_take_the_steps_of_adamw() -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(5)) for _ in range(2))
    optimizers = (
        Muon([{"params": [ours], "weight_decay": 0.1}], lr=0.01),
        torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1),
    )
    for _ in range(7):
        gradient = torch.randn(5)
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_it_fits_a_narrow_valley_and_goes_on_from_its_state() -> None:
    """A least-squares problem of condition 10^4; half of the steps before, half after a trip through `state_dict`."""
    torch.manual_seed(0)
    inputs = torch.randn(256, 10) * torch.logspace(0, -2, 10)
    wanted = inputs @ torch.randn(10, 6)

    def loss_of(weight: nn.Parameter, bias: nn.Parameter) -> torch.Tensor:
        return (inputs @ weight.T + bias - wanted).square().mean()

    def train(optimizer: Muon, weight: nn.Parameter, bias: nn.Parameter, steps: range) -> None:
        for step in steps:
            optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.3 * (1 - step / 200)
            optimizer.zero_grad()
            loss_of(weight, bias).backward()
            optimizer.step()

    def start() -> tuple[Muon, nn.Parameter, nn.Parameter]:
        weight, bias = nn.Parameter(torch.zeros(6, 10)), nn.Parameter(torch.zeros(6))
        return Muon([{"params": [weight], "orthogonal": True}, {"params": [bias]}], lr=0.3), weight, bias

    optimizer, weight, bias = start()
    first = float(loss_of(weight, bias).detach())
    train(optimizer, weight, bias, range(100))
    resumed, weight_2, bias_2 = start()
    with torch.no_grad():
        weight_2.copy_(weight)
        bias_2.copy_(bias)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(optimizer, weight, bias, range(100, 200))
    train(resumed, weight_2, bias_2, range(100, 200))
    assert float(loss_of(weight, bias).detach()) < 1e-3 * first
    assert torch.equal(weight, weight_2)
    assert torch.equal(bias, bias_2)


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="two or more dimensions"):
        Muon([{"params": [nn.Parameter(torch.zeros(3))], "orthogonal": True}], lr=0.1)


def test_momentum_carries_a_kernel_on_when_its_gradient_ends() -> None:
    kernel = nn.Parameter(torch.zeros(2, 3))
    optimizer = Muon([{"params": [kernel], "orthogonal": True}], lr=0.1)
    kernel.grad = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    optimizer.step()
    after = kernel.detach().clone()
    kernel.grad = torch.zeros(2, 3)
    optimizer.step()
    torch.testing.assert_close(kernel.detach(), 2 * after, atol=1e-4, rtol=1e-3)  # its direction, whatever its size


def test_matrices_of_one_shape_do_not_mix() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 8, 20) * torch.tensor([1.0, 1e-3, 1e3])[:, None, None]
    together = orthogonalized(matrices)
    for matrix, found in zip(matrices, together, strict=True):
        torch.testing.assert_close(orthogonalized(matrix[None])[0], found, atol=1e-4, rtol=1e-3)


def test_kernels_of_several_shapes_each_move_by_their_own_gradient() -> None:
    torch.manual_seed(0)
    shapes = ((4, 3, 3, 3), (4, 27), (27, 4), (6, 2, 1, 1, 1))
    gradients = [torch.randn(shape) for shape in shapes]

    def moved(*chosen: torch.Tensor) -> list[torch.Tensor]:
        kernels = [nn.Parameter(torch.zeros_like(gradient)) for gradient in chosen]
        optimizer = Muon([{"params": kernels, "orthogonal": True}], lr=0.1)
        for kernel, gradient in zip(kernels, chosen, strict=True):
            kernel.grad = gradient.clone()
        optimizer.step()
        return [kernel.detach() for kernel in kernels]

    for found, gradient in zip(moved(*gradients), gradients, strict=True):
        torch.testing.assert_close(found, moved(gradient)[0], atol=1e-5, rtol=1e-3)


class MadeFromNothing(TorchDispatchMode):
    """Counts tensors of zeros that are made."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.count += func.overloadpacket in (torch.ops.aten.zeros_like, torch.ops.aten.zeros)
        return func(*args, **(kwargs or {}))


def test_state_is_made_once_and_not_at_every_step() -> None:
    kernel, bias = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(4))
    optimizer = Muon([{"params": [kernel], "orthogonal": True}, {"params": [bias]}], lr=0.1)
    made: list[int] = []
    for _ in range(3):
        kernel.grad, bias.grad = torch.rand(3, 4), torch.rand(4)
        with MadeFromNothing() as counted:
            optimizer.step()
        made.append(counted.count)
    assert made == [3, 0, 0]  # the momentum of one, and both moments of the other
