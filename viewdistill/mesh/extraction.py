"""Iso-surfaces of a density field by marching cubes (Lorensen and Cline 1987).

Names: ``iso`` the density at the surface, ``box`` the corners [2, 3] of an axis-aligned box, ``radius`` half the side
of the field's cube [-radius, radius]^3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from skimage import measure
from torch import Tensor

from viewdistill.errors import ViewDistillError

DensityFunction = Callable[[Tensor], Tensor]
"""Density [N] at world points [N, 3]."""

OccupancyFunction = Callable[[Tensor], Tensor]
"""Boolean [N] at world points [N, 3]: whether the renderer looks there at all."""

COARSE_RESOLUTION = 64
MARGIN = 0.1
"""Enlargement of the refitted box on each side, as a fraction of its own side (threestudio does the same)."""


@dataclass(frozen=True)
class DensityGrid:
    """Density sampled at the nodes of a regular grid that spans a box, both ends included."""

    density: Float[np.ndarray, "x y z"]
    box: Float[np.ndarray, "2 3"]

    @property
    def spacing(self) -> Float[np.ndarray, " 3"]:
        """Distance between neighbouring nodes along each axis, world units."""
        return (self.box[1] - self.box[0]) / (np.array(self.density.shape) - 1)


@torch.no_grad()
def sample_density(
    density_fn: DensityFunction,
    box: Float[np.ndarray, "2 3"],
    resolution: int,
    occupied_fn: OccupancyFunction | None = None,
    device: torch.device | str = "cpu",
    chunk: int = 1 << 18,
) -> DensityGrid:
    """Samples a density field on a grid, a chunk of points at a time.

    Args:
        density_fn: The field.
        box: Lower and upper corner, world units.
        resolution: Nodes along each axis.
        occupied_fn: Where given, density counts as zero wherever this is false: the renderer skips such places, so
            nothing that training ever saw is there.
        device: Where the field lives.
        chunk: Points a call, bounds memory.

    Raises:
        ViewDistillError: If the density is not finite somewhere.
    """
    axes = [torch.linspace(float(box[0, i]), float(box[1, i]), resolution) for i in range(3)]
    slab = max(1, chunk // resolution**2)
    parts: list[Tensor] = []
    for x in axes[0].split(slab):
        points = torch.stack(torch.meshgrid(x, axes[1], axes[2], indexing="ij"), -1).reshape(-1, 3).to(device)
        density = density_fn(points).float()
        if occupied_fn is not None:
            density = torch.where(occupied_fn(points), density, torch.zeros_like(density))
        parts.append(density.cpu())
    values = torch.cat(parts).reshape(resolution, resolution, resolution).numpy()
    if not np.isfinite(values).all():
        raise ViewDistillError(
            "mesh: the density field holds values that are not finite; "
            "go back to an earlier checkpoint of the field or fit it again with a lower learning rate"
        )
    return DensityGrid(values, np.asarray(box, dtype=np.float64))


def cube(radius: float) -> Float[np.ndarray, "2 3"]:
    """The box [-radius, radius]^3."""
    return np.array([[-radius] * 3, [radius] * 3], dtype=np.float64)


def refit_box(grid: DensityGrid, iso: float) -> Float[np.ndarray, "2 3"]:
    """The box around all that is denser than ``iso``, enlarged by a node and then by `MARGIN`, within the grid.

    Raises:
        ViewDistillError: If nothing is as dense as ``iso``.
    """
    nodes = np.argwhere(grid.density > iso)
    if len(nodes) == 0:
        raise ViewDistillError(_nothing_there(iso, float(grid.density.max())))
    lower = grid.box[0] + (nodes.min(0) - 1) * grid.spacing
    upper = grid.box[0] + (nodes.max(0) + 1) * grid.spacing
    margin = MARGIN * (upper - lower)
    return np.stack([np.maximum(lower - margin, grid.box[0]), np.minimum(upper + margin, grid.box[1])])


def marching_cubes(grid: DensityGrid, iso: float) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """The surface where the density of a grid is ``iso``, closed where it runs into the grid's border.

    Returns:
        Vertices in world units and faces, counter-clockwise seen from the less dense side.

    Raises:
        ViewDistillError: If nothing in the grid is as dense as ``iso``.
    """
    if not float(grid.density.max()) > iso:
        raise ViewDistillError(_nothing_there(iso, float(grid.density.max())))
    padded = np.pad(grid.density, 1, constant_values=min(0.0, float(grid.density.min())))
    library: Any = measure
    vertices, faces, _, _ = library.marching_cubes(padded, iso, gradient_direction="ascent")
    return (grid.box[0] + (vertices - 1.0) * grid.spacing).astype(np.float32), faces.astype(np.int64)


def extract_mesh(
    density_fn: DensityFunction,
    radius: float,
    resolution: int,
    iso: float,
    occupied_fn: OccupancyFunction | None = None,
    device: torch.device | str = "cpu",
    chunk: int = 1 << 18,
) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """The iso-surface of a density field: a coarse pass finds its box, a fine pass over that box extracts it.

    Args:
        density_fn: The field.
        radius: Half the side of the cube to look in, world units.
        resolution: Nodes along each axis of the fine pass.
        iso: Density at the surface.
        occupied_fn: See `sample_density`.
        device: Where the field lives.
        chunk: Points a call.

    Returns:
        Vertices (world units, float32) and faces, oriented outwards.

    Raises:
        ViewDistillError: If the field is nowhere as dense as ``iso``, or not finite.
    """
    coarse = sample_density(density_fn, cube(radius), min(COARSE_RESOLUTION, resolution), occupied_fn, device, chunk)
    box = refit_box(coarse, iso)
    return marching_cubes(sample_density(density_fn, box, resolution, occupied_fn, device, chunk), iso)


def _nothing_there(iso: float, densest: float) -> str:
    return (
        f"mesh: the field is empty at iso-value {iso:.3g} (its greatest density is {densest:.3g}); "
        "choose a lower iso-value, or fit the field for more steps or with a weaker sparsity term"
    )
