"""Compositing a volume of features along the rays of a camera.

Every ray takes equal steps through the ball inside the volume; a sample's density and features are trilinear between
the centres of the cells. On a CPU numba kernels walk each ray, elsewhere plain torch samples all rays at once. Both
are differentiable by the volume only: the cameras are given.
"""

from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.lifting.volume_kernels import composite_rays, scatter_rays
from viewdistill.threads import parallel_for

DENSITY_SCALE = 8.0
"""World density per unit of softplus; the bias below makes an untrained volume nearly empty."""

DENSITY_BIAS = -1.0


def composite_volume(
    volume: Float[Tensor, "batch n n n channels"],
    origins: Float[Tensor, "batch rays 3"],
    directions: Float[Tensor, "batch rays 3"],
    radius: float,
    steps: int,
) -> Float[Tensor, "batch rays channels+1"]:
    """Return composited features, then opacity, then depth times opacity, of rays through volumes.

    Args:
        volume: Axes z, y, x of [-radius, radius]^3; a raw density before the other channels. float32.
        origins: Ray origins, world units; without gradient.
        directions: Unit ray directions; without gradient.
        radius: Half the side of the volume, world units.
        steps: Samples along a ray.
    """
    if volume.device.type == "cpu":
        return cast(Any, _OnCpu).apply(volume, origins, directions, radius, steps)
    return composite_in_torch(volume, origins, directions, radius, steps)


def composite_in_torch(
    volume: Float[Tensor, "batch n n n channels"],
    origins: Float[Tensor, "batch rays 3"],
    directions: Float[Tensor, "batch rays 3"],
    radius: float,
    steps: int,
) -> Float[Tensor, "batch rays channels+1"]:
    """`composite_volume` for any device."""
    # Equal steps through the ball inside the volume; rays that miss it have none.
    middle = -(origins * directions).sum(-1)
    nearest = origins.square().sum(-1) - middle.square()
    half_chord = (radius**2 - nearest).clamp_min(0).sqrt()
    along = (torch.arange(steps, device=middle.device) + 0.5) / steps * 2 - 1
    depth = middle[..., None] + half_chord[..., None] * along
    points = origins[:, :, None] + depth[..., None] * directions[:, :, None]
    grid = (points / radius).flatten(1, 2)[:, None, None]
    values = F.grid_sample(volume.permute(0, 4, 1, 2, 3), grid, align_corners=False)
    sampled = values[:, :, 0, 0].transpose(1, 2).unflatten(1, depth.shape[1:])
    optical = F.softplus(sampled[..., 0] + DENSITY_BIAS) * DENSITY_SCALE * (2 * half_chord / steps)[..., None]
    before = optical.cumsum(-1) - optical
    weights = torch.exp(-before) * (1 - torch.exp(-optical))
    features = torch.einsum("brs,brsc->brc", weights, sampled[..., 1:])
    return torch.cat([features, weights.sum(-1, keepdim=True), (weights * depth).sum(-1, keepdim=True)], -1)


def occupancy_error(
    density: Float[Tensor, "*cells"], occupancy: Float[Tensor, "*cells"], side: float
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy between the light absorbed by a cell of raw ``density`` and its ``occupancy``.

    Args:
        density: Raw, as in the composited volumes.
        occupancy: Target, in [0, 1].
        side: Of a cell, world units.
    """
    optical = F.softplus(density + DENSITY_BIAS) * DENSITY_SCALE * side
    absorbed = -torch.expm1(-optical)
    return ((1 - occupancy) * optical - occupancy * absorbed.clamp_min(1e-6).log()).mean()


class _OnCpu(torch.autograd.Function):
    """The numba kernels: rays in blocks forwards; backwards whole objects, since rays of one share its cells."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, origins: Tensor, directions: Tensor, radius: float, steps: int) -> Tensor:
        ctx.save_for_backward(volume, origins, directions)
        ctx.radius, ctx.steps = radius, steps
        batch, rays = origins.shape[:2]
        out = volume.new_zeros(batch, rays, volume.shape[-1] + 1)
        cells, starts, lines, sums = _cells(volume), _array(origins), _array(directions), out.numpy()
        blocks = -(-torch.get_num_threads() // batch)
        edges = [rays * block // blocks for block in range(blocks + 1)]

        def walk(task: tuple[int, int]) -> None:
            item, block = task
            composite_rays(
                edges[block],
                edges[block + 1],
                cells[item],
                volume.shape[1],
                starts[item],
                lines[item],
                np.float32(radius),
                steps,
                np.float32(DENSITY_SCALE),
                np.float32(DENSITY_BIAS),
                sums[item],
            )

        parallel_for(walk, [(item, block) for item in range(batch) for block in range(blocks)])
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        volume, origins, directions = ctx.saved_tensors
        out = torch.zeros_like(volume, memory_format=torch.contiguous_format)
        cells, starts, lines = _cells(volume), _array(origins), _array(directions)
        gradient, found = _array(gradients[0]), _cells(out)

        def walk(item: int) -> None:
            scatter_rays(
                0,
                origins.shape[1],
                cells[item],
                volume.shape[1],
                starts[item],
                lines[item],
                np.float32(ctx.radius),
                ctx.steps,
                np.float32(DENSITY_SCALE),
                np.float32(DENSITY_BIAS),
                gradient[item],
                found[item],
            )

        parallel_for(walk, range(len(volume)))
        return out, None, None, None, None


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _cells(volume: Tensor) -> np.ndarray:
    """Return the volume with one row per cell."""
    return _array(volume).reshape(len(volume), -1, volume.shape[-1])
