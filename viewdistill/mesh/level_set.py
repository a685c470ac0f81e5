"""Signed distance of the solid that a density field is, for fits of a distance field to begin with.

The solid is the field's level set without what a fit of a surface would have to undo: specks that float beside the
object, and hollows that no ray sees.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial import KDTree

from viewdistill.mesh.extraction import DensityGrid, marching_cubes

SPECK = 0.02
"""Share of the largest component's volume below which another one is a speck."""

SAMPLES = 100_000
"""Points of the surface that stand for it: about 0.004 apart on an object with sides of 0.6."""


@dataclass(frozen=True)
class LevelSet:
    """A solid, by points of its surface and their outward normals."""

    grid: DensityGrid
    """Its density, sound: no specks, no hollows."""
    iso: float
    """Density at the surface."""
    points: Float[np.ndarray, "samples 3"]
    """World units."""
    normals: Float[np.ndarray, "samples 3"]
    """Unit vectors."""
    tree: KDTree
    """Of `points`."""

    @classmethod
    def of(cls, grid: DensityGrid, iso: float, seed: int = 0) -> "LevelSet":
        """The solid where a density is above ``iso``.

        Args:
            grid: The density.
            iso: Density at the surface.
            seed: Of the points that stand for the surface.

        Raises:
            ViewDistillError: Nothing is as dense as ``iso``.
        """
        sound = replace(grid, density=without_specks_and_hollows(grid.density, iso))
        mesh = trimesh.Trimesh(*marching_cubes(sound, iso), process=False)
        sample: Any = trimesh.sample.sample_surface
        points, faces = sample(mesh, SAMPLES, seed=seed)
        return cls(sound, iso, np.asarray(points), np.asarray(mesh.face_normals)[faces], KDTree(points))

    def distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Signed distance of world points, world units, negative inside.

        Near the surface it is that from the tangent plane at the nearest point, which is exact where the surface is
        flat and does not stop short at the distance between the points.
        """
        far, nearest = self.tree.query(points)
        from_plane = ((points - self.points[nearest]) * self.normals[nearest]).sum(-1)
        cells = (points - self.grid.box[0]) / self.grid.spacing
        inside = ndimage.map_coordinates(self.grid.density, cells.T, order=1, mode="constant") > self.iso
        away = np.where(inside, -far, far)
        return np.where(far < self.grid.spacing.min(), from_plane, away).astype(np.float32)


def without_specks_and_hollows(density: Float[np.ndarray, "x y z"], iso: float) -> Float[np.ndarray, "x y z"]:
    """The density of a grid with small components emptied and enclosed hollows filled."""
    label: Any = ndimage.label
    components, count = label(density > iso)
    if count == 0:
        return density
    volumes = np.bincount(components.ravel())
    volumes[0] = 0
    kept = (volumes >= SPECK * volumes.max())[components]
    solid = ndimage.binary_fill_holes(kept)
    empty = (components > 0) & ~kept
    # The interior of a filled hollow is as dense as the densest place: no level passes through it.
    return np.where(empty, 0.0, np.where(solid & ~kept, density.max(), density)).astype(density.dtype)
