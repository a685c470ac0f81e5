"""From a density and colour field to a textured mesh."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.mesh.baking import ColorFunction, texture_mesh
from viewdistill.mesh.cleaning import CleaningReport, CleaningSettings, clean_mesh
from viewdistill.mesh.extraction import DensityFunction, OccupancyFunction, cube, extract_mesh, sample_density
from viewdistill.mesh.iso_value import IsoSweep, iso_value_sweep
from viewdistill.mesh.textured_mesh import TexturedMesh


@dataclass(frozen=True)
class MeshSettings:
    """Sizes of the mesh."""

    resolution: int = 128
    """Nodes along each axis of the marching-cubes grid."""
    sweep_resolution: int = 96
    """Nodes along each axis of the grid for comparing iso-values."""
    texture_size: int = 1024
    """Side of the texture, texels."""
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)


@dataclass(frozen=True)
class FieldMesh:
    """A mesh and the record of its extraction."""

    mesh: TexturedMesh
    sweep: IsoSweep
    cleaning: CleaningReport


def mesh_from_field(
    density_fn: DensityFunction,
    color_fn: ColorFunction,
    radius: float,
    c2w: Float[Tensor, "views 4 4"],
    fovy: float,
    opacity: Float[Tensor, "views size size"],
    settings: MeshSettings | None = None,
    occupied_fn: OccupancyFunction | None = None,
    device: torch.device | str = "cpu",
) -> FieldMesh:
    """Choose an iso-value, then extract, clean, unwrap and bake.

    Args:
        density_fn: Density [N] at world points [N, 3].
        color_fn: Colour [N, 3] at world points [N, 3].
        radius: Half the side of the field's cube, world units.
        c2w: Cameras that ``opacity`` was rendered from.
        fovy: Their vertical field of view, degrees.
        opacity: Opacity rendered from the field.
        settings: Sizes; the defaults when not given.
        occupied_fn: Places that the renderer samples (its occupancy grid); everywhere when not given.
        device: Device of the field.

    Raises:
        ViewDistillError: If the field is empty or not finite.
    """
    settings = settings or MeshSettings()
    grid = sample_density(density_fn, cube(radius), settings.sweep_resolution, occupied_fn, device)
    sweep = iso_value_sweep(grid, c2w, fovy, opacity)
    vertices, faces = extract_mesh(density_fn, radius, settings.resolution, sweep.chosen.value, occupied_fn, device)
    clean_vertices, clean_faces, report = clean_mesh(vertices, faces, settings.cleaning)
    mesh = texture_mesh(np.asarray(clean_vertices), clean_faces, color_fn, settings.texture_size, device)
    return FieldMesh(mesh, sweep, report)
