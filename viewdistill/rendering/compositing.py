"""Emission-absorption compositing of packed samples.

With σ the density and δ the length of a sample's interval: α = 1 - exp(-σδ), transmittance T = exp(-Σ σδ over the
samples before it on its ray), weight w = T α (Max 1995; nerfacc's `volrend.py`). Samples are sorted by ray. Where a
field gives α itself, as NeuS does, its optical depth -log(1 - α) replaces σδ.

The sums restart at every ray, so that a non-finite sample spoils only its own ray: numba kernels on a CPU, torch
elsewhere. nerfacc's CUDA scans are single precision and differentiable only once; tests on a GPU compare the two.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from viewdistill.rendering.compositing_kernels import sum_before, sum_behind

LARGEST_ALPHA = 1 - 1e-6
"""Upper bound on α for its optical depth, which is infinite at 1."""


def exclusive_sum(
    values: Float[Tensor, " samples"], ray_indices: Int64[Tensor, " samples"], n_rays: int
) -> Float[Tensor, " samples"]:
    """Return the sum of the values before each sample on its own ray; differentiable any number of times.

    Args:
        values: One value per sample.
        ray_indices: Ray of each sample, ascending.
        n_rays: Number of rays.
    """
    return _ExclusiveSum.apply(values, ray_indices, n_rays, False)  # pyright: ignore[reportReturnType]


def transmittance(
    optical_depth: Float[Tensor, " samples"], ray_indices: Int64[Tensor, " samples"], n_rays: int
) -> Float[Tensor, " samples"]:
    """Return the transmittance T of each sample from the samples' optical depths σδ."""
    return (-exclusive_sum(optical_depth, ray_indices, n_rays)).exp()


def weights_from_density(
    density: Float[Tensor, " samples"],
    lengths: Float[Tensor, " samples"],
    ray_indices: Int64[Tensor, " samples"],
    n_rays: int,
) -> Float[Tensor, " samples"]:
    """Return compositing weights w = T α.

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
    """Return compositing weights w = T α.

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
    """Return the mask of samples to evaluate with gradients: T >= early_stop and α >= alpha_threshold.

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
    """Return the weighted sum of values along each ray; zero for rays without samples."""
    weighted = weights[:, None] * values
    result = weighted.new_zeros(n_rays, values.shape[-1])
    return result.scatter_add(0, ray_indices[:, None].expand_as(weighted), weighted)


class _ExclusiveSum(torch.autograd.Function):
    """Exclusive sum along rays, forwards or (its transpose) backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ray_indices: Tensor, n_rays: int, backwards: bool) -> Tensor:
        ctx.save_for_backward(ray_indices)
        ctx.n_rays, ctx.backwards = n_rays, backwards
        if values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64):
            return _sum_on_cpu(values, ray_indices, backwards)
        return sum_in_torch(values, ray_indices, n_rays, backwards)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (ray_indices,) = ctx.saved_tensors
        return _ExclusiveSum.apply(grad_outputs[0], ray_indices, ctx.n_rays, not ctx.backwards), None, None, None


def _sum_on_cpu(
    values: Float[Tensor, " samples"], ray_indices: Int64[Tensor, " samples"], backwards: bool
) -> Float[Tensor, " samples"]:
    sums = torch.empty_like(values, memory_format=torch.contiguous_format)
    kernel = sum_behind if backwards else sum_before
    kernel(values.detach().contiguous().numpy(), ray_indices.contiguous().numpy(), sums.numpy())
    return sums


def sum_in_torch(
    values: Float[Tensor, " samples"], ray_indices: Int64[Tensor, " samples"], n_rays: int, backwards: bool
) -> Float[Tensor, " samples"]:
    """Return the exclusive sum on any device, by doubling strides within each ray (Hillis and Steele 1986).

    A running sum over all rays minus each ray's start would take one pass. But an infinite or very large sample would
    then spoil all later rays, and torch's cumulative sum on a GPU has no deterministic version.

    Args:
        values: One value per sample.
        ray_indices: Ray of each sample, ascending.
        n_rays: Number of rays.
        backwards: Sum the values behind each sample instead of those before it.
    """
    if len(values) == 0:
        return values.clone()
    if backwards:
        return sum_in_torch(values.flip(0), ray_indices.flip(0), n_rays, False).flip(0)
    counts = ray_indices.new_zeros(n_rays).scatter_add_(0, ray_indices, torch.ones_like(ray_indices))
    # the value before each sample, then sums of two, four, ... of them; in double, as the sums of the kernels
    sums = _from(values.double(), ray_indices, 1)
    stride = 1
    longest = int(counts.max())
    while stride < longest - 1:
        sums = sums + _from(sums, ray_indices, stride)
        stride *= 2
    return sums.to(values.dtype)


def _from(values: Tensor, ray_indices: Tensor, distance: int) -> Tensor:
    """Return the value a number of samples before each on its ray; 0 if there is none."""
    shifted = torch.zeros_like(values)
    same_ray = ray_indices[distance:] == ray_indices[:-distance]
    shifted[distance:] = torch.where(same_ray, values[:-distance], 0)
    return shifted
