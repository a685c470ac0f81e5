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
from scipy.spatial import KDTree
from skimage import measure
from torch import Tensor

from viewdistill.errors import ViewDistillError

DensityFunction = Callable[[Tensor], Tensor]
"""Density [N] at world points [N, 3]."""

OccupancyFunction = Callable[[Tensor], Tensor]
"""Boolean [N] at world points [N, 3]: places that the renderer samples."""

COARSE_RESOLUTION = 64
"""Nodes along each axis of the coarse pass, which finds the box."""

BLOCK_NODES = 1 << 24
"""Nodes per block of marching cubes: 64 MB of values, and about 200 MB while it runs. Grids of up to 256 nodes per axis
are one block."""

SEAM = 1e-5
"""Largest distance, in cells, at which vertices on the plane between two blocks are merged."""

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
    planes: range | None = None,
    name: str = "density field",
) -> DensityGrid:
    """Sample a density field on a grid, a chunk of points at a time.

    Args:
        density_fn: The field.
        box: Lower and upper corner, world units.
        resolution: Nodes along each axis.
        occupied_fn: If given, density counts as zero wherever this is false: the renderer skips such places, so
            training has never seen them.
        device: Device of the field.
        chunk: Points per call, bounds memory.
        planes: Consecutive nodes along x to sample; all when not given.
        name: Name of the field, for the message.

    Raises:
        ViewDistillError: If the density is not finite somewhere.
    """
    axes = [torch.linspace(float(box[0, i]), float(box[1, i]), resolution) for i in range(3)]
    planes = planes or range(resolution)
    values = np.empty((len(planes), resolution, resolution), dtype=np.float32)
    slab = max(1, chunk // resolution**2)
    for start in range(0, len(planes), slab):
        x = axes[0][planes[start] : planes[start] + min(slab, len(planes) - start)]
        points = torch.stack(torch.meshgrid(x, axes[1], axes[2], indexing="ij"), -1).reshape(-1, 3)
        # A plane of 512 x 512 nodes is one chunk; larger ones are split too.
        parts = [_density(density_fn, part.to(device), occupied_fn) for part in points.split(chunk)]
        values[start : start + slab] = torch.cat(parts).reshape(len(x), resolution, resolution).numpy()
    if not np.isfinite(values).all():
        raise ViewDistillError(
            f"mesh: the {name} holds values that are not finite; "
            "go back to an earlier checkpoint of its stage or fit it again with a lower learning rate"
        )
    side = (np.asarray(box, dtype=np.float64)[1] - box[0])[0] / (resolution - 1)
    sampled = np.array(box, dtype=np.float64)
    if len(planes) < resolution:
        sampled[:, 0] = box[0, 0] + side * np.array([planes[0], planes[-1]])
    return DensityGrid(values, sampled)


def _density(density_fn: DensityFunction, points: Tensor, occupied_fn: OccupancyFunction | None) -> Tensor:
    density = density_fn(points).float()
    if occupied_fn is not None:
        density = torch.where(occupied_fn(points), density, torch.zeros_like(density))
    return density.cpu()


def cube(radius: float) -> Float[np.ndarray, "2 3"]:
    """Return the box [-radius, radius]^3."""
    return np.array([[-radius] * 3, [radius] * 3], dtype=np.float64)


def refit_box(grid: DensityGrid, iso: float) -> Float[np.ndarray, "2 3"]:
    """Return the box around all nodes denser than ``iso``, enlarged by a node and then by `MARGIN`, within the grid.

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


def marching_cubes(
    grid: DensityGrid, iso: float, closed: tuple[bool, bool] = (True, True)
) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Return the surface where the density of a grid is ``iso``, closed where it runs into the grid's border.

    Args:
        grid: The density.
        iso: Density at the surface.
        closed: Whether it is closed at the lower and upper end of the x axis too, where a block may have neighbours.

    Returns:
        Vertices in world units and faces, counter-clockwise seen from the less dense side.

    Raises:
        ViewDistillError: If nothing in the grid is as dense as ``iso``.
    """
    densest = float(grid.density.max())
    if not densest > iso:
        raise ViewDistillError(_nothing_there(iso, densest))
    outside = min(0.0, float(grid.density.min()))
    vertices, faces = _cells(grid.density, iso, closed, outside)
    return (grid.box[0] + vertices * grid.spacing).astype(np.float32), faces


def _cells(
    density: Float[np.ndarray, "x y z"], iso: float, closed: tuple[bool, bool], outside: float
) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Return vertices, in cells from the first node, and faces; none without a surface."""
    low, high = int(closed[0]), int(closed[1])
    padded = np.pad(density, ((low, high), (1, 1), (1, 1)), constant_values=outside)
    if not float(padded.min()) < iso < float(padded.max()):
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    library: Any = measure
    vertices, faces, _, _ = library.marching_cubes(padded, iso, gradient_direction="ascent")
    return vertices - np.array([low, 1.0, 1.0]), faces.astype(np.int64)


def isosurface(
    density_fn: DensityFunction,
    box: Float[np.ndarray, "2 3"],
    resolution: int,
    iso: float,
    occupied_fn: OccupancyFunction | None = None,
    device: torch.device | str = "cpu",
    chunk: int = 1 << 18,
    name: str = "density field",
    block_nodes: int = BLOCK_NODES,
) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Extract the iso-surface within a box block by block, so that memory grows with the surface, not the volume.

    Blocks are slabs along x that share a plane of nodes; vertices on such a plane are joined.

    Args:
        density_fn: The field.
        box: Lower and upper corner, world units.
        resolution: Nodes along each axis.
        iso: Density at the surface.
        occupied_fn: See `sample_density`.
        device: Device of the field.
        chunk: Points per call of the field.
        name: Name of the field, for the message.
        block_nodes: Largest number of nodes per block.

    Returns:
        Vertices in world units and faces, counter-clockwise seen from the less dense side.

    Raises:
        ViewDistillError: If nothing in the box is as dense as ``iso``, or a value is not finite.
    """
    depth = max(1, block_nodes // resolution**2 - 1)
    if depth + 1 >= resolution:
        return marching_cubes(sample_density(density_fn, box, resolution, occupied_fn, device, chunk, name=name), iso)
    joined = _Blocks()
    densest = -np.inf
    for first in range(0, resolution - 1, depth):
        planes = range(first, min(first + depth + 1, resolution))
        grid = sample_density(density_fn, box, resolution, occupied_fn, device, chunk, planes, name)
        densest = max(densest, float(grid.density.max()))
        # All blocks see the same density outside the box, or caps of neighbours would not meet.
        ends = (first == 0, planes[-1] == resolution - 1)
        vertices, faces = _cells(grid.density, iso, ends, min(0.0, iso) - 1.0)
        joined.add(vertices + np.array([first, 0.0, 0.0]), faces, float(first))
    vertices, faces = joined.mesh()
    if len(faces) == 0:
        raise ViewDistillError(_nothing_there(iso, densest))
    spacing = (np.asarray(box[1], dtype=np.float64) - box[0]) / (resolution - 1)
    return (box[0] + vertices * spacing).astype(np.float32), faces


class _Blocks:
    """Meshes of blocks in turn, each joined to the one before at the plane that they share."""

    def __init__(self) -> None:
        self.vertices: list[Float[np.ndarray, "v 3"]] = []
        self.faces: list[Int[np.ndarray, "f 3"]] = []
        self.count = 0

    def add(self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], plane: float) -> None:
        """Add a block whose lower plane is at ``plane``, in cells."""
        index = np.full(len(vertices), -1, dtype=np.int64)
        here = np.flatnonzero(np.abs(vertices[:, 0] - plane) < SEAM)
        if self.vertices and len(here):
            last = self.vertices[-1]
            there = np.flatnonzero(np.abs(last[:, 0] - plane) < SEAM)
            if len(there):
                tree: Any = KDTree(last[there])
                distance, nearest = tree.query(vertices[here])
                same = distance < SEAM
                index[here[same]] = self.count - len(last) + there[nearest[same]]
        new = index < 0
        index[new] = self.count + np.arange(int(new.sum()))
        self.vertices.append(vertices[new].astype(np.float32))
        self.faces.append(index[faces])
        self.count += int(new.sum())

    def mesh(self) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
        """Return all blocks as one mesh."""
        return np.concatenate(self.vertices).astype(np.float64), np.concatenate(self.faces)


def extract_mesh(
    density_fn: DensityFunction,
    radius: float,
    resolution: int,
    iso: float,
    occupied_fn: OccupancyFunction | None = None,
    device: torch.device | str = "cpu",
    chunk: int = 1 << 18,
) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Extract the iso-surface of a density field: a coarse pass finds its box, a fine pass over that box extracts it.

    Args:
        density_fn: The field.
        radius: Half the side of the cube to search, world units.
        resolution: Nodes along each axis of the fine pass.
        iso: Density at the surface.
        occupied_fn: See `sample_density`.
        device: Device of the field.
        chunk: Points per call.

    Returns:
        Vertices (world units, float32) and faces, oriented outwards.

    Raises:
        ViewDistillError: If the field is nowhere as dense as ``iso``, or not finite.
    """
    coarse = sample_density(density_fn, cube(radius), min(COARSE_RESOLUTION, resolution), occupied_fn, device, chunk)
    box = refit_box(coarse, iso)
    return isosurface(density_fn, box, resolution, iso, occupied_fn, device, chunk)


def _nothing_there(iso: float, densest: float) -> str:
    return (
        f"mesh: the field is empty at iso-value {iso:.3g} (its greatest density is {densest:.3g}); "
        "choose a lower iso-value, or fit the field for more steps or with a weaker sparsity term"
    )
