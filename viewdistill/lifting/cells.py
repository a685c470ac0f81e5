"""Places of a lifted volume's cells and their projections into the reference camera; in float32 throughout."""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Method = TypeVar("Method", bound=Callable[..., Any])


def outside_autocast(method: Method) -> Method:
    """Exempt a method from autocast, which would place points and rays with bfloat16's two to three digits."""

    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast(self.device.type, enabled=False):
            return method(self, *args, **kwargs)

    return cast(Method, wrapped)


def cell_centres(n: int, radius: float, device: torch.device) -> Float[Tensor, "n n n 3"]:
    """Return centres of the cells of [-radius, radius]^3, axes z, y, x; world units."""
    axis = ((torch.arange(n, device=device) + 0.5) / n * 2 - 1) * radius
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack([x, y, z], -1)


def before_camera(points: Float[Tensor, "n n n 3"], c2w: Float[Tensor, "batch 4 4"]) -> Float[Tensor, "batch n n n 3"]:
    """Return points in the axes of cameras that look at the origin; the origin itself is kept."""
    with torch.autocast(points.device.type, enabled=False):
        return torch.einsum("zyxj,bji->bzyxi", points, c2w[:, :3, :3])


def unproject(
    maps: Float[Tensor, "batch c h w"], local: Float[Tensor, "batch n n n 3"], distance: float, fovy: float
) -> Float[Tensor, "batch c n n n"]:
    """Sample a picture at the projections of points, clamped at its border.

    Args:
        maps: The picture, or features of it.
        local: From `before_camera`.
        distance: Of the camera from the origin, world units.
        fovy: Vertical field of view, degrees.
    """
    batch, n = local.shape[:2]
    scale = 1 / ((distance - local[..., 2]) * math.tan(math.radians(fovy / 2)))
    pixels = torch.stack([local[..., 0] * scale, -local[..., 1] * scale], -1).reshape(batch, n * n, n, 2)
    with torch.autocast(maps.device.type, enabled=False):
        seen = F.grid_sample(maps.float(), pixels, padding_mode="border", align_corners=False)
    return seen.to(maps.dtype).reshape(batch, -1, n, n, n)


def turned_about_z(
    points: Float[Tensor, "n n n 3"], degrees: Float[Tensor, " batch"]
) -> Float[Tensor, "batch n n n 3"]:
    """Return points turned about the z axis, right-handed."""
    angle = torch.deg2rad(degrees)[:, None, None, None]
    x, y, z = points.unbind(-1)
    across, along = angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y
    return torch.stack([across, along, z.expand_as(across)], -1)


def describe_places(
    points: Float[Tensor, "n n n 3"],
    local: Float[Tensor, "batch n n n 3"],
    elevation: Float[Tensor, " batch"],
    radius: float,
) -> Float[Tensor, "batch 8 n n n"]:
    """Return the cells' positions in the world and before the camera, the sine of its elevation, and their radii."""
    batch, n = local.shape[:2]
    parts = [
        points.expand(batch, -1, -1, -1, -1) / radius,
        local / radius,
        torch.deg2rad(elevation).sin()[:, None, None, None, None].expand(-1, n, n, n, 1),
        (points.norm(dim=-1, keepdim=True) / radius).expand(batch, -1, -1, -1, -1),
    ]
    return torch.cat(parts, -1).permute(0, 4, 1, 2, 3)
