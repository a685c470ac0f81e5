"""Cameras: one convention for the whole project.

World: right-handed, z up, the object around the origin. Camera: OpenGL axes (x right, y up, looking along -z), given as
a camera-to-world matrix ``c2w`` [4, 4]. Azimuth is atan2(y, x) of the camera centre and elevation its angle above the
xy-plane; both are in degrees in every public signature and file. Distances are world units; the object's longest side
is about 1.

Names: ``fovy`` vertical field of view in degrees, ``T`` the relative pose of Zero-1-to-3 (Liu et al. 2023).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

FOVY_ZERO123 = 49.134
"""Vertical field of view of Zero-1-to-3's renders, degrees (35 mm lens on a 32 mm sensor)."""

FOVY_NERF_SYNTHETIC = 39.598
"""Vertical field of view of the NeRF-synthetic cameras that the official USD code uses, degrees."""

DISTANCE = 1.5
"""Default distance of the camera from the origin, world units."""


def look_at(
    azimuth: Float[Tensor, "*batch"], elevation: Float[Tensor, "*batch"], distance: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 4 4"]:
    """Return cameras on spheres around the origin, looking at it.

    At the poles, where "up" is undefined, the limit along the camera's own meridian is taken, so any elevation in
    [-90, 90] gives a proper rotation.

    Args:
        azimuth: Angle from +x towards +y, degrees.
        elevation: Angle above the xy-plane, degrees.
        distance: Distance from the origin, world units.

    Returns:
        Camera-to-world matrices.
    """
    azimuth, elevation, distance = torch.broadcast_tensors(azimuth, elevation, distance)
    phi, theta = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    zero = torch.zeros_like(phi)
    backward = torch.stack([phi.cos() * theta.cos(), phi.sin() * theta.cos(), theta.sin()], -1)
    right = torch.stack([-phi.sin(), phi.cos(), zero], -1)
    up = torch.stack([-phi.cos() * theta.sin(), -phi.sin() * theta.sin(), theta.cos()], -1)
    top = torch.stack([right, up, backward, backward * distance[..., None]], -1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=top.dtype, device=top.device).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], -2)


def spherical_from_c2w(
    c2w: Float[Tensor, "*batch 4 4"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return azimuth (degrees), elevation (degrees) and distance of the camera centres; the inverse of `look_at`."""
    centre = c2w[..., :3, 3]
    distance = centre.norm(dim=-1)
    azimuth = torch.rad2deg(torch.atan2(centre[..., 1], centre[..., 0]))
    elevation = torch.rad2deg(torch.asin((centre[..., 2] / distance.clamp_min(1e-12)).clamp(-1, 1)))
    return azimuth, elevation, distance


def focal_length(fovy: float, height: int) -> float:
    """Return the focal length, pixels, for an image height, pixels, and a vertical field of view, degrees."""
    return 0.5 * height / math.tan(0.5 * math.radians(fovy))


def rays(
    c2w: Float[Tensor, "batch 4 4"], fovy: float, height: int, width: int
) -> tuple[Float[Tensor, "batch height width 3"], Float[Tensor, "batch height width 3"]]:
    """Return rays through the pixel centres.

    Args:
        c2w: Camera-to-world matrices.
        fovy: Vertical field of view, degrees.
        height: Image height, pixels.
        width: Image width, pixels.

    Returns:
        Origins and unit directions in world space; row 0 is the top of the image.
    """
    f = focal_length(fovy, height)
    x = (torch.arange(width, dtype=c2w.dtype, device=c2w.device) + 0.5 - 0.5 * width) / f
    y = -(torch.arange(height, dtype=c2w.dtype, device=c2w.device) + 0.5 - 0.5 * height) / f
    y, x = torch.meshgrid(y, x, indexing="ij")
    local = torch.stack([x, y, -torch.ones_like(x)], -1)
    directions = torch.einsum("bij,hwj->bhwi", c2w[:, :3, :3], local)
    directions = torch.nn.functional.normalize(directions, dim=-1)
    origins = c2w[:, None, None, :3, 3].expand_as(directions)
    return origins, directions


def project(
    points: Float[Tensor, "n 3"], c2w: Float[Tensor, "4 4"], fovy: float, height: int, width: int
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    """Return pixel coordinates (x right, y down, pixel centres at .5) and depth along the viewing axis of points."""
    local = (points - c2w[:3, 3]) @ c2w[:3, :3]
    depth = -local[:, 2]
    f = focal_length(fovy, height)
    x = f * local[:, 0] / depth + 0.5 * width
    y = -f * local[:, 1] / depth + 0.5 * height
    return torch.stack([x, y], -1), depth


def relative_pose(
    input_azimuth: Float[Tensor, "*batch"],
    input_elevation: Float[Tensor, "*batch"],
    input_distance: Float[Tensor, "*batch"],
    target_azimuth: Float[Tensor, "*batch"],
    target_elevation: Float[Tensor, "*batch"],
    target_distance: Float[Tensor, "*batch"],
) -> Float[Tensor, "*batch 4"]:
    """Return Zero-1-to-3's relative pose T of a target camera seen from the input camera.

    T = [elevation_input - elevation_target, sin(d_azimuth), cos(d_azimuth), distance_target - distance_input], with the
    angles in radians. The first entry is the difference of *polar* angles, target minus input, hence the sign: positive
    means that the camera moves down (Liu et al. 2023, `get_T` of the released data loader).

    Args:
        input_azimuth: Degrees.
        input_elevation: Degrees.
        input_distance: World units.
        target_azimuth: Degrees.
        target_elevation: Degrees.
        target_distance: World units.
    """
    d_azimuth = torch.deg2rad(target_azimuth - input_azimuth)
    parts = torch.broadcast_tensors(
        torch.deg2rad(input_elevation - target_elevation),
        d_azimuth.sin(),
        d_azimuth.cos(),
        target_distance - input_distance,
    )
    return torch.stack(parts, -1)
