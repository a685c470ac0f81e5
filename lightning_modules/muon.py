"""Muon (Jordan et al. 2024) for networks of convolutions, in float32.

The momentum of every matrix is replaced by the nearest semi-orthogonal matrix, so that all directions of a layer learn
at one rate. `torch.optim.Muon` takes matrices only, and orthogonalises in bfloat16, which most CPUs emulate. Here
kernels are matrices of output channels by everything else, and the Newton-Schulz iteration runs on the Gram matrix of
the shorter side: for a square 3D kernel that is about a quarter of the work.
"""

import math
from collections.abc import Iterable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic; chosen by Jordan et al. for a steep start, it leaves singular values between about 0.7 and 1.2."""

ITERATIONS = 5

ADAMW_RMS = 0.2
"""Root mean square of AdamW's updates per unit of rate; ours are scaled to it, so that rates carry over (Liu et al.
2025, "Muon is scalable for LLM training")."""


def orthogonalized(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """About the nearest semi-orthogonal matrix, U V^T of the singular value decomposition U S V^T.

    The quintic of Jordan et al. maps X to P X with P = a + b G + c G^2 and G = X X^T. P commutes with G, so the next
    Gram matrix is P G P, and only the product of all P is applied to the matrix itself.
    """
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / (x.norm() + 1e-7)
    gram, product = x @ x.T, torch.eye(len(x), dtype=x.dtype, device=x.device)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        step = torch.addmm(b * gram, gram, gram, alpha=c)
        step.diagonal().add_(a)
        product, gram = step @ product, step @ gram @ step
    x = product @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum for kernels and matrices, AdamW for all else; one rate serves both.

    Args:
        params: Parameters, or groups of them. A group with ``orthogonal`` true takes Muon's updates and must hold
            parameters of two or more dimensions, the first one the output's; any other group takes AdamW's.
        lr: Learning rate, as for AdamW.
        momentum: Of Muon's moving average.
        betas: AdamW's.
        weight_decay: Share of the weights that is taken off, times the rate.

    Raises:
        ValueError: A parameter of an orthogonal group is no matrix.
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
        """One step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update_of = self._muon if group["orthogonal"] else self._adamw
            for p in group["params"]:
                if p.grad is not None:
                    update = update_of(p, group)
                    p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"])
        return loss

    def _muon(self, p: nn.Parameter, group: dict[str, Any]) -> Tensor:
        gradient, state = cast(Tensor, p.grad), self.state[p]
        average = state.setdefault("momentum_buffer", torch.zeros_like(p))
        average.lerp_(gradient, 1 - group["momentum"])
        update = orthogonalized(gradient.lerp(average, group["momentum"]).flatten(1))
        return update.view_as(p) * (ADAMW_RMS * math.sqrt(max(update.shape)))

    def _adamw(self, p: nn.Parameter, group: dict[str, Any]) -> Tensor:
        gradient, state = cast(Tensor, p.grad), self.state[p]
        first = state.setdefault("exp_avg", torch.zeros_like(p))
        second = state.setdefault("exp_avg_sq", torch.zeros_like(p))
        state["step"] = state.get("step", 0) + 1
        first.lerp_(gradient, 1 - group["betas"][0])
        second.lerp_(gradient.square(), 1 - group["betas"][1])
        correction = [1 - beta ** state["step"] for beta in group["betas"]]
        return first / correction[0] / ((second / correction[1]).sqrt() + 1e-8)
