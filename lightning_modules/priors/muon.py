"""Muon (Jordan et al. 2024) for networks of convolutions, all matrices of one shape in one batched call.

The momentum of every matrix is replaced by the nearest semi-orthogonal matrix, so that all directions of a layer learn
at one rate. `torch.optim.Muon` takes matrices only, one by one, and orthogonalises in bfloat16, which most CPUs
emulate. Here kernels are treated as matrices of output channels by everything else. The iteration runs in bfloat16 if
that is fast; otherwise in float32 on the Gram matrix of the shorter side, about a quarter of the work for a square 3D
kernel.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.precision import fast_bfloat16

LISTS: Any = torch
"""torch's operations on lists of tensors, which it does not export publicly."""

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic, chosen by Jordan et al. for a steep start; singular values end at about 0.7 to 1.2."""

ITERATIONS = 5

ADAMW_RMS = 0.2
"""Root mean square of AdamW's updates per unit of rate; ours are scaled to it, so that rates transfer (Liu et al.
2025, "Muon is scalable for LLM training")."""


def orthogonalized(matrices: Float[Tensor, "batch rows columns"]) -> Float[Tensor, "batch rows columns"]:
    """Approximate the nearest semi-orthogonal matrices, U V^T of the singular value decompositions U S V^T; float32."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = _iterated_in_bfloat16(x) if fast_bfloat16(x.device) else _iterated_on_gram(x)
    return x.mT if tall else x


def _iterated_in_bfloat16(x: Float[Tensor, "batch rows columns"]) -> Float[Tensor, "batch rows columns"]:
    """Apply the quintic of Jordan et al., X to a X + (b G + c G^2) X with G = X X^T."""
    a, b, c = COEFFICIENTS
    x = x.bfloat16()
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()


def _iterated_on_gram(x: Float[Tensor, "batch rows columns"]) -> Float[Tensor, "batch rows columns"]:
    """Apply the quintic through P = a + b G + c G^2, which commutes with G.

    The next Gram matrix is P G P, and only the product of all P is applied to the matrix itself.
    """
    a, b, c = COEFFICIENTS
    gram, product = x @ x.mT, None
    for iteration in range(ITERATIONS):
        step = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        step.diagonal(dim1=1, dim2=2).add_(a)
        product = step if product is None else step @ product
        if iteration < ITERATIONS - 1:
            gram = step @ gram @ step
    assert product is not None
    return product @ x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum for kernels and matrices, AdamW for the rest; both share one rate.

    Args:
        params: Parameters, or groups of them. A group with ``orthogonal`` true takes Muon's updates and must hold
            parameters of two or more dimensions, the first one the output's; any other group takes AdamW's.
        lr: Learning rate, as for AdamW.
        momentum: Momentum of Muon's moving average.
        betas: AdamW's.
        weight_decay: Decoupled weight decay, times the rate.

    Raises:
        ValueError: A parameter of an orthogonal group has fewer than two dimensions.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay, "orthogonal": False}
        super().__init__(params, defaults)
        for group in self.param_groups:
            if group["orthogonal"] and any(p.ndim < 2 for p in group["params"]):
                raise ValueError("Muon takes parameters of two or more dimensions")

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            if not given:
                continue
            LISTS._foreach_mul_(given, 1 - group["lr"] * group["weight_decay"])
            (self._muon if group["orthogonal"] else self._adamw)(given, group)
        return loss

    def _muon(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        averages = self._states(parameters, "momentum_buffer")
        gradients = [p.grad for p in parameters]
        LISTS._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        updates = LISTS._foreach_lerp(gradients, averages, group["momentum"])
        by_shape: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for index, p in enumerate(parameters):
            by_shape[p.shape[0], p[0].numel()].append(index)
        for shape, members in by_shape.items():
            found = orthogonalized(torch.stack([updates[index].reshape(shape) for index in members]))
            found = [one.view_as(parameters[index]) for index, one in zip(members, found, strict=True)]
            rate = group["lr"] * ADAMW_RMS * math.sqrt(max(shape))
            LISTS._foreach_add_([parameters[index] for index in members], found, alpha=-rate)

    def _adamw(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        gradients = [p.grad for p in parameters]
        first, second = self._states(parameters, "exp_avg"), self._states(parameters, "exp_avg_sq")
        LISTS._foreach_lerp_(first, gradients, 1 - group["betas"][0])
        LISTS._foreach_mul_(second, group["betas"][1])
        LISTS._foreach_addcmul_(second, gradients, gradients, 1 - group["betas"][1])
        steps: list[int] = []
        for p in parameters:
            self.state[p]["step"] = self.state[p].get("step", 0) + 1
            steps.append(self.state[p]["step"])
        roots = LISTS._foreach_sqrt(second)
        LISTS._foreach_div_(roots, [math.sqrt(1 - group["betas"][1] ** step) for step in steps])
        LISTS._foreach_add_(roots, 1e-8)
        rates = [-group["lr"] / (1 - group["betas"][0] ** step) for step in steps]
        LISTS._foreach_addcdiv_(parameters, first, roots, rates)

    def _states(self, parameters: list[nn.Parameter], name: str) -> list[Tensor]:
        """Return the state of each parameter under a name; initially zeros."""
        for p in parameters:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
        return [self.state[p][name] for p in parameters]
