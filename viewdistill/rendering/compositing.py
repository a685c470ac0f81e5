"""Emission-absorption compositing of packed samples, in plain torch.

With σ the density and δ the length of a sample's interval: α = 1 - exp(-σδ), transmittance T = exp(-Σ σδ over the
samples before it on its ray), weight w = T α (Max 1995; nerfacc's `volrend.py`). Samples are sorted by ray. Where a
field gives α itself, as NeuS does, its optical depth -log(1 - α) takes the place of σδ.

The sums along rays are torch's on every device: nerfacc's CUDA scans are single precision and differentiable only once.
Tests hold the two against each other where there is a GPU.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

LARGEST_ALPHA = 1 - 1e-6
"""Bound on α where its optical depth is taken, which is infinite at 1."""


def exclusive_sum(
    values: Float[Tensor, " samples"], ray_indices: Int64[Tensor, " samples"], n_rays: int
) -> Float[Tensor, " samples"]:
    """Sum of the values before each sample on its own ray; differentiable any number of times.

    Args:
        values: One value a sample.
        ray_indices: Ray of each sample, ascending.
        n_rays: Number of rays.
    """
    return _ExclusiveSum.apply(values, ray_indices, n_rays, False)  # pyright: ignore[reportReturnType]


def transmittance(
    optical_depth: Float[Tensor, " samples"], ray_indices: Int64[Tensor, " samples"], n_rays: int
) -> Float[Tensor, " samples"]:
    """Light that reaches each sample, T, from the samples' optical depths σδ."""
    return (-exclusive_sum(optical_depth, ray_indices, n_rays)).exp()


def weights_from_density(
    density: Float[Tensor, " samples"],
    lengths: Float[Tensor, " samples"],
    ray_indices: Int64[Tensor, " samples"],
    n_rays: int,
) -> Float[Tensor, " samples"]:
    """Compositing weights w = T α.

    Args:
        density: σ of each sample, per world unit.
        lengths: δ of each sample, world units.
        ray_indices: Ray of each sample, ascending.
        n_rays: Number of rays.
    """
    optical_depth = density * lengths
    return transmittance(optical_depth, ray_indices, n_rays) * -torch.expm1(-optical_depth)


def weights_from_alpha(
    alpha: Float[Tensor, " samples"], ray_indices: Int64[Tensor, " samples"], n_rays: int
) -> Float[Tensor, " samples"]:
    """Compositing weights w = T α.

    Args:
        alpha: α of each sample, in [0, 1].
        ray_indices: Ray of each sample, ascending.
        n_rays: Number of rays.
    """
    optical_depth = -torch.log1p(-alpha.clamp(max=LARGEST_ALPHA))
    return transmittance(optical_depth, ray_indices, n_rays) * alpha


def visibility(
    density: Float[Tensor, " samples"],
    lengths: Float[Tensor, " samples"],
    ray_indices: Int64[Tensor, " samples"],
    n_rays: int,
    alpha_threshold: float,
    early_stop: float,
) -> Bool[Tensor, " samples"]:
    """Samples worth evaluating with gradients: T >= early_stop and α >= alpha_threshold.

    Args:
        density: σ of each sample, per world unit.
        lengths: δ of each sample, world units.
        ray_indices: Ray of each sample, ascending.
        n_rays: Number of rays.
        alpha_threshold: Smallest opacity α kept.
        early_stop: Smallest transmittance T kept.
    """
    optical_depth = density * lengths
    visible = -torch.expm1(-optical_depth) >= alpha_threshold
    return visible & (transmittance(optical_depth, ray_indices, n_rays) >= early_stop)


def accumulate(
    weights: Float[Tensor, " samples"],
    values: Float[Tensor, "samples channels"],
    ray_indices: Int64[Tensor, " samples"],
    n_rays: int,
) -> Float[Tensor, "rays channels"]:
    """Weighted sum of values along each ray; zero for rays without samples."""
    weighted = weights[:, None] * values
    result = weighted.new_zeros(n_rays, values.shape[-1])
    return result.scatter_add(0, ray_indices[:, None].expand_as(weighted), weighted)


class _ExclusiveSum(torch.autograd.Function):
    """Exclusive sum along rays, forwards or (its transpose) backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ray_indices: Tensor, n_rays: int, backwards: bool) -> Tensor:
        ctx.save_for_backward(ray_indices)
        ctx.n_rays, ctx.backwards = n_rays, backwards
        if len(values) == 0:
            return values.clone()
        # one running sum over all rays, in double: single precision would lose the first digits of the last rays
        inclusive = values.double().cumsum(0)
        last = torch.bincount(ray_indices, minlength=n_rays).cumsum(0) - 1
        if backwards:
            return (inclusive[last[ray_indices]] - inclusive).to(values.dtype)
        before_ray = torch.cat([inclusive.new_zeros(1), inclusive])[last + 1]
        before_ray = torch.cat([inclusive.new_zeros(1), before_ray[:-1]])
        return (inclusive - values - before_ray[ray_indices]).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (ray_indices,) = ctx.saved_tensors
        return _ExclusiveSum.apply(grad_outputs[0], ray_indices, ctx.n_rays, not ctx.backwards), None, None, None
