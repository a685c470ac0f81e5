"""A first surface from the radiance field, in seconds: its level set as signed distances, with its colours.

NeuS otherwise begins with a ball, and finds again what the field has known since the stage before.
"""

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from datamodules.runs.run_folder import InputMeta, RunFolder
from lightning_modules.radiance_field import RadianceField, load_field
from lightning_modules.surface_settings import SurfaceOptimizer
from viewdistill.fields.regularizers import eikonal
from viewdistill.fields.sdf_field import SDFField
from viewdistill.mesh.extraction import cube, sample_density
from viewdistill.mesh.iso_value import iso_value_sweep
from viewdistill.mesh.level_set import LevelSet
from viewdistill.mesh.turntable import ring
from viewdistill.rendering.neus import NeusRenderer

SurfaceStart = Literal["field", "sphere"]
"""What a fit starts from: the level set of the run's radiance field, where there is one (imported pictures have none),
or a sphere."""

RESOLUTION = 96
"""Nodes along each axis of the grid that the level set is of."""
SILHOUETTES, SILHOUETTE_SIZE = 8, 96
"""Views of the field that decide its iso-value, and their side in pixels."""
PLACES = 60_000
"""Points with known distances: half of them near the surface, half anywhere."""
NEAR = 0.02
"""How far those near the surface are from it, world units: a standard deviation."""
STEPS, POINTS = 200, 4096
"""Steps of the regression, and points of each."""


@dataclass(frozen=True)
class Places:
    """Points of space and what a surface should be there."""

    points: Float[Tensor, "n 3"]
    """World units."""
    distance: Float[Tensor, " n"]
    """Signed, world units, negative inside."""
    rgb: Float[Tensor, "n 3"]
    """The field's colour in [0, 1]."""
    near: Float[Tensor, "n 1"]
    """1 near the surface, where the field's colour means something; 0 elsewhere."""


def start_surface(renderer: NeusRenderer, folder: RunFolder, optimizer: SurfaceOptimizer, seed: int) -> None:
    """Start a new surface from the fitted field of a run.

    Args:
        renderer: With the surface, which is changed in place.
        folder: The run.
        optimizer: Learning rates.
        seed: Of the fit.

    Raises:
        ViewDistillError: There is no field, or it is damaged or empty.
    """
    surface = cast(SDFField, renderer.field)
    device = surface.grid.params.device
    field = load_field(folder, device)
    renderer.train()
    regress(surface, places_of(field, InputMeta.load(folder.input_meta), seed), optimizer, seed)


@torch.no_grad()
def level_set_of(field: RadianceField, meta: InputMeta, seed: int) -> LevelSet:
    """The solid that agrees best with what the field's renders cover.

    Raises:
        ViewDistillError: The field is empty.
    """
    c2w = ring(SILHOUETTES, meta.elevation_deg, meta.distance)
    opacity = field.render_views(c2w, meta.fovy_deg, SILHOUETTE_SIZE).opacity
    grid = sample_density(field.density, cube(field.radius), RESOLUTION, field.occupied, field.device)
    return LevelSet.of(grid, iso_value_sweep(grid, c2w, meta.fovy_deg, opacity).chosen.value, seed)


@torch.no_grad()
def places_of(field: RadianceField, meta: InputMeta, seed: int) -> Places:
    """Distances from the field's level set, and its colours, at points near it and anywhere.

    Raises:
        ViewDistillError: The field is empty.
    """
    solid, random = level_set_of(field, meta, seed), np.random.default_rng(seed)
    half = PLACES // 2
    of_surface = solid.points[random.integers(len(solid.points), size=half)]
    near = of_surface + random.normal(scale=NEAR, size=(half, 3))
    anywhere = random.uniform(-field.radius, field.radius, size=(PLACES - half, 3))
    places = np.clip(np.concatenate([near, anywhere]), -field.radius, field.radius)
    # Colours of the surface itself: beside it the field has none to speak of.
    seen = torch.from_numpy(np.concatenate([of_surface, anywhere])).float().to(field.device)
    return Places(
        torch.from_numpy(places).float().to(field.device),
        torch.from_numpy(solid.distance(places)).to(field.device),
        field.color(seen),
        (torch.arange(PLACES, device=field.device) < half).float()[:, None],
    )


def regress(surface: SDFField, places: Places, settings: SurfaceOptimizer, seed: int) -> None:
    """Fit a surface to distances and colours.

    Args:
        surface: Changed in place.
        places: What it should be.
        settings: Learning rates, which fall to a tenth.
        seed: Of the choice of points.
    """
    networks = [*surface.sdf_network.parameters(), *surface.color_network.parameters()]
    groups = [
        {"params": list(surface.grid.parameters()), "lr": settings.encoding_lr},
        {"params": networks, "lr": settings.network_lr},
    ]
    optimizer = torch.optim.AdamW(groups, betas=settings.betas, eps=settings.eps, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1 ** (step / STEPS))
    generator = torch.Generator(places.points.device).manual_seed(seed)
    for _ in range(STEPS):
        chosen = torch.randint(len(places.points), (POINTS,), generator=generator, device=places.points.device)
        optimizer.zero_grad()
        regression_error(surface, Places(*(part[chosen] for part in vars(places).values()))).backward()
        optimizer.step()
        schedule.step()
    optimizer.zero_grad()


def regression_error(surface: SDFField, places: Places) -> Float[Tensor, ""]:
    """Error of distances in units of `NEAR`, of colours near the surface, and of the gradient's length."""
    inward = -F.normalize(places.points, dim=-1)
    found = surface.query(places.points, inward)
    of_color = (places.near * (found.rgb - places.rgb) ** 2).mean()
    return F.smooth_l1_loss(found.sdf / NEAR, places.distance / NEAR) + of_color + 0.1 * eikonal(found.gradients)
