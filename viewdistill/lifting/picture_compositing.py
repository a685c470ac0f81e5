"""Rendering a lifted object's colours, most of the visible side's taken from the reference picture itself.

As in pixelNeRF (Yu et al. 2021), a sample on a ray is projected into the reference picture, here to read its colour
instead of a feature. The cell holds the picture's share of the sample's colour: near 1 on the visible surface, near 0
behind it; the rest is the cell's own colour. Details finer than a cell thus reach the target view.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.lifting.picture_kernels import occupied, render_rays, scatter_pixels
from viewdistill.lifting.volume_compositing import DENSITY_BIAS, DENSITY_SCALE
from viewdistill.threads import parallel_for

CELL_CHANNELS = 5
"""Of a cell: raw density, logits of rgb, logit of the share of the picture's colour."""


def render_colors(
    volume: Float[Tensor, "batch n n n 5"],
    picture: Float[Tensor, "batch 3 size size"],
    picture_c2w: Float[Tensor, "batch 4 4"],
    origins: Float[Tensor, "batch rays 3"],
    directions: Float[Tensor, "batch rays 3"],
    radius: float,
    fovy: float,
    steps: int,
) -> Float[Tensor, "batch rays 4"]:
    """Return rgb times opacity, and opacity, of rays through volumes; differentiable by the volume only.

    Args:
        volume: Axes z, y, x of [-radius, radius]^3; see `CELL_CHANNELS`. float32.
        picture: Reference picture, rgb in [0, 1].
        picture_c2w: Its camera.
        origins: Ray origins, world units.
        directions: Unit ray directions.
        radius: Half the side of the volume, world units.
        fovy: Vertical field of view of the picture, degrees.
        steps: Samples along a ray.
    """
    rotation, centre = picture_c2w[:, :3, :3], picture_c2w[:, None, :3, 3]
    seen_from, seen_along = (origins - centre) @ rotation, directions @ rotation
    tangent = math.tan(math.radians(fovy / 2))
    if volume.device.type == "cpu":
        given = (picture.permute(0, 2, 3, 1), origins, directions, seen_from, seen_along)
        rimmed = F.pad(volume, (0, 0, 1, 1, 1, 1, 1, 1))
        return cast(Any, _ColorsOnCpu).apply(rimmed, *(_plain(x) for x in given), radius, tangent, steps)
    return render_in_torch(volume, picture, origins, directions, seen_from, seen_along, radius, tangent, steps)


def render_in_torch(
    volume: Float[Tensor, "batch n n n 5"],
    picture: Float[Tensor, "batch 3 size size"],
    origins: Float[Tensor, "batch rays 3"],
    directions: Float[Tensor, "batch rays 3"],
    seen_from: Float[Tensor, "batch rays 3"],
    seen_along: Float[Tensor, "batch rays 3"],
    radius: float,
    tangent: float,
    steps: int,
) -> Float[Tensor, "batch rays 4"]:
    """`render_colors` for any device; the rays are given in the picture's camera as well."""
    middle = -(origins * directions).sum(-1)
    nearest = origins.square().sum(-1) - middle.square()
    half_chord = (radius**2 - nearest).clamp_min(0).sqrt()
    along = (torch.arange(steps, device=middle.device) + 0.5) / steps * 2 - 1
    depth = middle[..., None] + half_chord[..., None] * along
    points = origins[:, :, None] + depth[..., None] * directions[:, :, None]
    cells = F.grid_sample(
        volume.permute(0, 4, 1, 2, 3), (points / radius).flatten(1, 2)[:, None, None], align_corners=False
    )
    cells = cells[:, :, 0, 0].transpose(1, 2).unflatten(1, depth.shape[1:])
    local = seen_from[:, :, None] + depth[..., None] * seen_along[:, :, None]
    pixels = torch.stack([local[..., 0], -local[..., 1]], -1) / (-local[..., 2:] * tangent)
    found = F.grid_sample(picture, pixels, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
    optical = F.softplus(cells[..., 0] + DENSITY_BIAS) * DENSITY_SCALE * (2 * half_chord / steps)[..., None]
    weights = torch.exp(optical - optical.cumsum(-1)) * (1 - torch.exp(-optical))
    own, share = cells[..., 1:4].sigmoid(), cells[..., 4:].sigmoid()
    rgb = (weights[..., None] * (own + share * (found - own))).sum(2)
    return torch.cat([rgb, weights.sum(-1, keepdim=True)], -1)


class _ColorsOnCpu(torch.autograd.Function):
    """The numba kernels, split as those of `viewdistill.lifting.volume_compositing` are; takes rimmed volumes."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, *given: Any) -> Tensor:
        *arrays, radius, tangent, steps = given
        ctx.save_for_backward(volume, *arrays)
        ctx.numbers = (radius, tangent, steps)
        batch, rays = arrays[1].shape[:2]
        out = volume.new_zeros(batch, rays, 4)
        sums = out.numpy()
        blocks = -(-torch.get_num_threads() // batch)
        edges = [rays * block // blocks for block in range(blocks + 1)]
        run = _bound(render_rays, volume, tuple(arrays), ctx.numbers)
        tasks = [(item, edges[block], edges[block + 1]) for item in range(batch) for block in range(blocks)]
        parallel_for(lambda task: run(*task, sums[task[0]]), tasks)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        volume, *arrays = ctx.saved_tensors
        out = torch.zeros_like(volume, memory_format=torch.contiguous_format)
        found = out.view(len(out), -1, CELL_CHANNELS).numpy()
        gradient = _plain(gradients[0]).numpy()
        run = _bound(scatter_pixels, volume, tuple(arrays), ctx.numbers)
        rays = arrays[1].shape[1]
        parallel_for(lambda item: run(item, 0, rays, gradient[item], found[item]), range(len(volume)))
        return (out, *[None] * (len(arrays) + 3))


def _bound(
    kernel: Callable[..., None], volume: Tensor, arrays: tuple[Tensor, ...], numbers: tuple[float, float, int]
) -> Callable[..., None]:
    """Return the kernel for an item and a range of its rays, and the array that it adds to."""
    cells, side = _plain(volume).view(len(volume), -1, CELL_CHANNELS).numpy(), volume.shape[1]
    density = np.ascontiguousarray(cells[..., 0])
    full = [occupied(one, side) for one in density]
    picture, origins, directions, seen_from, seen_along = (array.numpy() for array in arrays)
    radius, tangent, steps = np.float32(numbers[0]), np.float32(numbers[1]), numbers[2]
    scale, bias = np.float32(DENSITY_SCALE), np.float32(DENSITY_BIAS)

    def run(item: int, begin: int, end: int, *sums: np.ndarray) -> None:
        kernel(
            begin, end, cells[item], density[item], full[item], side, picture[item], origins[item], directions[item],
            seen_from[item], seen_along[item], radius, tangent, steps, scale, bias, *sums,
        )  # fmt: skip

    return run


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().float().contiguous()
