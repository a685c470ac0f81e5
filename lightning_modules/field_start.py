"""A first field from what the lifting of the view-conditioned prior knows of the object, in seconds.

Distillation otherwise starts from a ball of mist, and spends its first third on where the object is at all.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from datamodules.cameras import CameraSampler
from lightning_modules.field_settings import OptimizerSettings
from viewdistill.cameras import rays
from viewdistill.diffusion.lifted_object import LiftedObject
from viewdistill.fields.density_field import DensityField
from viewdistill.guidance.predictors import Predictors
from viewdistill.rendering.volume_renderer import VolumeRenderer

FieldStart = Literal["lifting", "none"]
"""What a fit starts from: the lifting, where the prior has one; or the ball that an untrained field is."""

VIEWS = 24
"""Mean views that the field's colours are fitted to."""
DENSITY_STEPS, POINTS = 100, 8192
"""Steps of the density alone, and points of each."""
PICTURE_STEPS, RAYS = 100, 2048
"""Steps of the renders, and rays of each."""


def start_field(
    renderer: VolumeRenderer,
    predictors: Predictors,
    data: CameraSampler,
    optimizer: OptimizerSettings,
    input_size: int,
    seed: int,
) -> bool:
    """Start a new field from the lifting of the view-conditioned prior.

    Args:
        renderer: With the field, which is changed in place.
        predictors: Hold the prior and what it knows of the input.
        data: Gives cameras and the input view.
        optimizer: Learning rates.
        input_size: Side of the input view that is compared with, pixels.
        seed: Of the fit.

    Returns:
        Whether the prior has a lifting; if not, the field stays what it was.
    """
    meta = data.meta
    lifted = LiftedObject.of(predictors.view_prior, predictors.condition, meta.distance, meta.fovy_deg)
    if lifted is None:
        return False
    device = renderer.occupancy.occs.device
    pictures = pictures_of(lifted, data, input_size, device)
    renderer.train()
    start_from_lifting(renderer, lifted, pictures, (optimizer.encoding_lr, optimizer.network_lr), seed)
    return True


@dataclass(frozen=True)
class Pictures:
    """Pixels to be rendered."""

    origins: Float[Tensor, "pixels 3"]
    """Ray origins, world units."""
    directions: Float[Tensor, "pixels 3"]
    """Unit ray directions."""
    rgb: Float[Tensor, "pixels 3"]
    """Colour over white."""
    opacity: Float[Tensor, "pixels 1"]
    """Coverage in [0, 1]."""


def start_from_lifting(
    renderer: VolumeRenderer, lifted: LiftedObject, pictures: Pictures, rates: tuple[float, float], seed: int
) -> None:
    """Fit a new field to a lifted object: density first, then what cameras see of it.

    Args:
        renderer: With the field, which is changed in place; its occupancy grid is made anew.
        lifted: The object.
        pictures: Its mean views, and the input view.
        rates: Learning rates of the hash grid and of the networks.
        seed: Of points, rays and their shifts.
    """
    field = cast(DensityField, renderer.field)
    grid = list(field.grid.parameters())
    networks = [*field.density_network.parameters(), *field.color_network.parameters()]
    groups = [{"params": grid, "lr": rates[0]}, {"params": networks, "lr": rates[1]}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)
    generator = torch.Generator(grid[0].device).manual_seed(seed)
    for _ in range(DENSITY_STEPS):
        descend(optimizer, density_error(field, lifted, renderer.step_size, generator))
    for step in range(PICTURE_STEPS):
        renderer.update_occupancy(step, generator)
        descend(optimizer, picture_error(renderer, pictures, generator))


def descend(optimizer: torch.optim.Optimizer, loss: Float[Tensor, ""]) -> None:
    """One step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def density_error(
    field: DensityField, lifted: LiftedObject, step_size: float, generator: torch.Generator
) -> Float[Tensor, ""]:
    """Mean squared difference of what a cell of the lifting absorbs, at random points of the cube."""
    device = field.grid.params.device
    points = (2 * torch.rand(POINTS, 3, generator=generator, device=device) - 1) * field.radius
    side = 4 * step_size
    wanted = -torch.expm1(-lifted.density(points) * side)
    return F.mse_loss(-torch.expm1(-field.density(points) * side), wanted)


def picture_error(renderer: VolumeRenderer, pictures: Pictures, generator: torch.Generator) -> Float[Tensor, ""]:
    """Mean squared error of colour and opacity of random pixels."""
    chosen = torch.randint(len(pictures.rgb), (RAYS,), generator=generator, device=pictures.rgb.device)
    seen = renderer.render(
        pictures.origins[chosen], pictures.directions[chosen], torch.ones_like(pictures.rgb[0]), generator
    )
    return F.mse_loss(seen.rgb, pictures.rgb[chosen]) + F.mse_loss(seen.opacity, pictures.opacity[chosen, 0])


def pictures_of(lifted: LiftedObject, data: CameraSampler, size: int, device: torch.device) -> Pictures:
    """Mean views from cameras of the kind that the fit sees, and the input view.

    Args:
        lifted: The object.
        data: Gives the cameras and the input view.
        size: Side of the input view, pixels.
        device: Where the pixels go.
    """
    low, high = torch.deg2rad(torch.tensor(data.elevation_range)).sin()
    share = (torch.arange(VIEWS) + 0.5) / VIEWS
    # The golden angle spreads azimuths evenly at whatever elevation (a Fibonacci sphere).
    azimuth = data.meta.azimuth_deg + torch.arange(VIEWS) * 137.50776
    elevation = torch.rad2deg(torch.asin(low + share * (high - low)))
    distance = torch.full_like(azimuth, data.meta.distance)
    cameras = data.cameras(azimuth, elevation, distance, data.meta.fovy_deg)
    rgb, opacity = lifted.views(cameras.relative_pose.to(device))
    parts = [pixels_of(cameras.c2w.to(device), cameras.fovy, rgb, opacity)]
    for known in data.input_views:
        rgb, opacity = (image.to(device) for image in known.resized(size))
        parts.append(pixels_of(known.cameras.c2w.to(device), known.cameras.fovy, rgb, opacity))
    return Pictures(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def pixels_of(
    c2w: Float[Tensor, "views 4 4"],
    fovy: float,
    rgb: Float[Tensor, "views 3 side side"],
    opacity: Float[Tensor, "views 1 side side"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rays and pixels of pictures, one a row: the columns of `Pictures`."""
    side = rgb.shape[-1]
    columns = (*rays(c2w, fovy, side, side), rgb.movedim(1, -1), opacity.movedim(1, -1))
    origins, directions, colors, coverage = (column.reshape(-1, column.shape[-1]) for column in columns)
    return origins, directions, colors, coverage
