"""From a signed distance and colour field to a textured mesh."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.baking import ColorFunction, texture_mesh
from viewdistill.mesh.cleaning import CleaningReport, clean_mesh
from viewdistill.mesh.extraction import COARSE_RESOLUTION, cube, isosurface, refit_box, sample_density
from viewdistill.mesh.from_field import MeshSettings
from viewdistill.mesh.textured_mesh import TexturedMesh

NAME = "surface's signed distance"
"""Name of the function in messages."""

DistanceFunction = Callable[[Tensor], Tensor]
"""Signed distance [N], negative inside, at world points [N, 3]."""


@dataclass(frozen=True)
class SurfaceMesh:
    """A mesh and the record of its extraction."""

    mesh: TexturedMesh
    cleaning: CleaningReport


def mesh_from_surface(
    sdf_fn: DistanceFunction,
    color_fn: ColorFunction,
    radius: float,
    settings: MeshSettings | None = None,
    device: torch.device | str = "cpu",
) -> SurfaceMesh:
    """Extract the zero level set, by a coarse pass and a fine one on the refitted box; clean, unwrap and bake.

    Args:
        sdf_fn: Signed distance [N], negative inside, at world points [N, 3].
        color_fn: Colour [N, 3] at world points [N, 3].
        radius: Half the side of the surface's cube, world units.
        settings: Sizes; the defaults when not given.
        device: Device of the functions.

    Raises:
        ViewDistillError: If the surface encloses nothing or everything, or a distance is not finite.
    """
    settings = settings or MeshSettings()

    def depth_inside(points: Tensor) -> Tensor:
        return -sdf_fn(points)

    coarse_resolution = min(COARSE_RESOLUTION, settings.resolution)
    coarse = sample_density(depth_inside, cube(radius), coarse_resolution, device=device, name=NAME)
    inside = coarse.density > 0
    if not inside.any() or inside.all():
        enclosed = "everything" if inside.any() else "nothing"
        raise ViewDistillError(
            f"mesh: the surface encloses {enclosed} within {radius:g} of the origin; "
            "fit it for more steps or with a stronger mask term"
        )
    box = refit_box(coarse, 0.0)
    surface = isosurface(depth_inside, box, settings.resolution, 0.0, device=device, name=NAME)
    vertices, faces, report = clean_mesh(*surface, settings.cleaning)
    return SurfaceMesh(texture_mesh(np.asarray(vertices), faces, color_fn, settings.texture_size, device), report)
