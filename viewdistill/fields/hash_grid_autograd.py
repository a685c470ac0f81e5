"""Derivatives of a hash grid from three sums, independent of the kernels that compute them.

With x a point, w_c(x) the trilinear weight of corner c of its cell and θ_c the corner's features, a level's encoding is
Σ_c w_c θ_c. Everything a first and a second derivative need is one of the three sums of `GridSums`, where a_c is either
w_c or the directional derivative v·∇w_c.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class GridSums(Protocol):
    """The three sums over the corners around points, of the ``active_levels`` coarsest levels; float32 throughout."""

    def gather(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        params: Float[Tensor, " params"],
        active_levels: int,
    ) -> Float[Tensor, "n features"]:
        """Σ_c a_c θ_c: the encoding, and the derivative of the point gradient by the output gradient."""
        ...

    def scatter(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        gradient: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, " params"]:
        """a_c g added up by corner: the table gradient, and the derivative of the point gradient by the table."""
        ...

    def slope(
        self,
        points: Float[Tensor, "n 3"],
        vectors: Float[Tensor, "n 3"] | None,
        gradient: Float[Tensor, "n features"],
        params: Float[Tensor, " params"],
        active_levels: int,
    ) -> Float[Tensor, "n 3"]:
        """Σ_c <g, θ_c> ∇a_c: the point gradient, and its own derivative by the points."""
        ...


@runtime_checkable
class GridEncoder(Protocol):
    """One back end of `viewdistill.fields.HashGrid`; see there for the arguments."""

    def encode(
        self, points: Float[Tensor, "n 3"], params: Float[Tensor, " params"], active_levels: int
    ) -> Float[Tensor, "n features"]:
        """Return features of points; differentiable twice by the points and the parameters."""
        ...

    def attach(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        features: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n features"]:
        """Encode points whose features are known from an earlier call without gradients."""
        ...

    def point_gradient(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        gradient: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n 3"]:
        """Return Σ_k g_k ∇h_k of the features h; differentiable by g and the parameters while gradients are enabled."""
        ...


class SumsEncoder:
    """A back end made of three sums; differentiable twice by the points and the parameters."""

    def __init__(self, sums: GridSums) -> None:
        """Take the kernels.

        Args:
            sums: Kernels for one grid.
        """
        self.sums = sums

    def encode(
        self, points: Float[Tensor, "n 3"], params: Float[Tensor, " params"], active_levels: int
    ) -> Float[Tensor, "n features"]:
        """Return features of points, see `GridEncoder`."""
        return _Encode.apply(points.contiguous(), params.contiguous(), self.sums, active_levels, None)  # pyright: ignore[reportReturnType]

    def attach(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        features: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n features"]:
        """Return the same features as part of the graph, see `GridEncoder`; nothing is gathered again."""
        return _Encode.apply(points.contiguous(), params.contiguous(), self.sums, active_levels, features)  # pyright: ignore[reportReturnType]

    def point_gradient(
        self,
        points: Float[Tensor, "n 3"],
        params: Float[Tensor, " params"],
        gradient: Float[Tensor, "n features"],
        active_levels: int,
    ) -> Float[Tensor, "n 3"]:
        """Return Σ_k g_k ∇h_k, see `GridEncoder`; differentiable by the points once more."""
        arguments = (gradient.contiguous(), points.contiguous(), params.contiguous())
        return _PointGradient.apply(*arguments, self.sums, active_levels)  # pyright: ignore[reportReturnType]


def differentiated(
    encode: Callable[[Tensor], Tensor], points: Float[Tensor, "n 3"], gradient: Float[Tensor, "n features"]
) -> Float[Tensor, "n 3"]:
    """Return Σ_k g_k ∇h_k by automatic differentiation, for back ends that leave derivatives to torch.

    Args:
        encode: h.
        points: Positions.
        gradient: g, one coefficient per feature.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        points = points if points.requires_grad else points.detach().requires_grad_()
        encoded = encode(points)
    return torch.autograd.grad(encoded, points, gradient, create_graph=create_graph)[0]


class _Encode(torch.autograd.Function):
    """From points and table to features, which may be known already."""

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, params: Tensor, sums: GridSums, active_levels: int, known: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(points, params)
        ctx.sums, ctx.active_levels = sums, active_levels
        return sums.gather(points, None, params, active_levels) if known is None else known.detach().clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        points, params = ctx.saved_tensors
        gradient, needs, kept = grad_outputs[0].contiguous(), ctx.needs_input_grad, (ctx.sums, ctx.active_levels)
        by_points = _PointGradient.apply(gradient, points, params, *kept) if needs[0] else None
        by_params = _TableGradient.apply(gradient, points, *kept) if needs[1] else None
        return by_points, by_params, None, None, None


class _PointGradient(torch.autograd.Function):
    """From the output gradient to the gradient by the points; differentiable once more by all three inputs."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, points: Tensor, params: Tensor, sums: GridSums, active_levels: int
    ) -> Tensor:
        ctx.save_for_backward(gradient, points, params)
        ctx.sums, ctx.active_levels = sums, active_levels
        return sums.slope(points, None, gradient, params, active_levels)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        gradient, points, params = ctx.saved_tensors
        vectors, sums, levels, needs = grad_outputs[0].contiguous(), ctx.sums, ctx.active_levels, ctx.needs_input_grad
        by_gradient = sums.gather(points, vectors, params, levels) if needs[0] else None
        by_points = sums.slope(points, vectors, gradient, params, levels) if needs[1] else None
        by_params = sums.scatter(points, vectors, gradient, levels) if needs[2] else None
        return by_gradient, by_points, by_params, None, None


class _TableGradient(torch.autograd.Function):
    """From the output gradient to the gradient by the table; differentiable once more."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, points: Tensor, sums: GridSums, active_levels: int) -> Tensor:
        ctx.save_for_backward(gradient, points)
        ctx.sums, ctx.active_levels = sums, active_levels
        return sums.scatter(points, None, gradient, active_levels)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        gradient, points = ctx.saved_tensors
        table, sums, levels, needs = grad_outputs[0].contiguous(), ctx.sums, ctx.active_levels, ctx.needs_input_grad
        by_gradient = sums.gather(points, None, table, levels) if needs[0] else None
        by_points = sums.slope(points, None, gradient, table, levels) if needs[1] else None
        return by_gradient, by_points, None, None
