"""Values of volumes between their cells, for many points: channels-last, with gradients for the volumes.

``F.grid_sample`` does the same, and does it here wherever there is a GPU. On a CPU it walks channels-first volumes one
channel after the other, which takes several times longer than the numba kernels below that read all channels of a cell
at once (`make bench` shows the ratio).
"""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from viewdistill.diffusion.trilinear_kernels import gather, scatter


def interpolate_volume(
    volume: Float[Tensor, "batch n n n channels"], points: Float[Tensor, "points 3"], owner: Int[Tensor, " points"]
) -> Float[Tensor, "points channels"]:
    """Trilinear interpolation; a cell's value stands at its centre, and outside there is zero.

    Args:
        volume: Axes z, y, x.
        points: x, y, z, each in [-1, 1] across the volume. They get no gradient.
        owner: Which volume a point looks into.
    """
    if volume.device.type == "cpu":
        return cast(Tensor, _Interpolation.apply(volume, points, owner))
    channels_first = volume.permute(0, 4, 1, 2, 3)
    out = points.new_zeros(len(points), volume.shape[-1])
    for index in range(len(volume)):
        mine = owner == index
        grid = points[mine].detach()[None, None, None]
        values = F.grid_sample(channels_first[index : index + 1], grid, align_corners=False)
        out = out.index_put((mine,), values[0, :, 0, 0].T)
    return out


class _Interpolation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volume: Tensor, points: Tensor, owner: Tensor) -> Tensor:
        ctx.shape = volume.shape
        ctx.points, ctx.owner = points.detach().contiguous(), owner.contiguous()
        out = torch.zeros(len(points), volume.shape[-1])
        gather(volume.detach().float().contiguous().numpy(), ctx.points.numpy(), ctx.owner.numpy(), out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        gradient = torch.zeros(ctx.shape)
        scatter(gradient.numpy(), ctx.points.numpy(), ctx.owner.numpy(), grad_outputs[0].contiguous().numpy())
        return gradient, None, None
