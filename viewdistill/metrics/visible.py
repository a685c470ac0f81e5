"""Visible points of a surface, compared by the protocol `syncdreamer` instead of samples by area."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from viewdistill.cameras import focal_length, rays
from viewdistill.metrics.geometry import SurfaceSamples, TriangleMesh
from viewdistill.rendering.embree import EmbreeScene, Hits

VOXEL = 0.01
"""Side of the voxels, with one point each, world units."""


def visible_samples(
    shape: TriangleMesh, c2w: Float[Tensor, "views 4 4"], fovy: Sequence[float], size: int, voxel: float = VOXEL
) -> SurfaceSamples:
    """Return the first hits of several cameras' pixel centres, thinned by `downsample`.

    Args:
        shape: The mesh.
        c2w: Camera-to-world matrices.
        fovy: Vertical field of view of each camera, degrees.
        size: Side of the square pictures, pixels.
        voxel: Side of the voxels, world units.
    """
    scene = EmbreeScene(shape.vertices, shape.faces)
    a, b, c = (np.asarray(shape.vertices, dtype=np.float64)[shape.faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    points: list[Float[np.ndarray, "n 3"]] = []
    normals: list[Float[np.ndarray, "n 3"]] = []
    for view in range(len(c2w)):
        hits, origins, directions = cast_view(scene, c2w[view], fovy[view], size)
        towards = directions[hits.hit].astype(np.float64)
        points.append(origins[hits.hit] + towards * hits.distance[hits.hit, None])
        normal = cross[hits.face[hits.hit]]
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
        normals.append(np.where((normal * towards).sum(1, keepdims=True) > 0, -normal, normal))
    return downsample(SurfaceSamples(np.concatenate(points), np.concatenate(normals)), voxel)


def cast_view(
    scene: EmbreeScene, c2w: Float[Tensor, "4 4"], fovy: float, size: int
) -> tuple[Hits, Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Return first hits, origins and directions of the rays through a square view's pixel centres, row by row."""
    origins, directions = (part.reshape(-1, 3).numpy() for part in rays(c2w[None].float(), fovy, size, size))
    return scene.cast(origins, directions), origins, directions


def depth_samples(
    depth: Float[np.ndarray, "views size size"],
    c2w: Float[Tensor, "views 4 4"],
    fovy: Sequence[float],
    voxel: float = VOXEL,
) -> SurfaceSamples:
    """Return the points of depth maps, thinned by `downsample`; their normals are unknown.

    Args:
        depth: Along the viewing axis at the pixel centres, world units; 0 for no surface.
        c2w: Camera-to-world matrices.
        fovy: Vertical field of view of each camera, degrees.
        voxel: Side of the voxels, world units.
    """
    size = depth.shape[1]
    steps = (np.arange(size) + 0.5 - 0.5 * size).astype(np.float64)
    points: list[Float[np.ndarray, "n 3"]] = []
    for view in range(len(depth)):
        row, column = np.nonzero(depth[view] > 0)
        along = depth[view, row, column].astype(np.float64)
        f = focal_length(fovy[view], size)
        local = np.stack([steps[column] / f * along, -steps[row] / f * along, -along], -1)
        pose = c2w[view].double().numpy()
        points.append(local @ pose[:3, :3].T + pose[:3, 3])
    cloud = np.concatenate(points)
    return downsample(SurfaceSamples(cloud, np.full_like(cloud, np.nan)), voxel)


def downsample(samples: SurfaceSamples, voxel: float) -> SurfaceSamples:
    """Return one point per voxel: the mean of its points and of their normals, as Open3D's ``voxel_down_sample``.

    Args:
        samples: The points.
        voxel: Side of the voxels, world units; their lattice starts half a voxel below the lowest coordinates.
    """
    if len(samples.points) == 0:
        return samples
    cells = np.floor((samples.points - samples.points.min(0)) / voxel + 0.5).astype(np.int64)
    _, voxel_of_point, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    both = np.concatenate([samples.points, samples.normals], 1)
    sums = np.stack([np.bincount(voxel_of_point.ravel(), both[:, k], len(counts)) for k in range(6)], -1)
    normals = sums[:, 3:] / np.maximum(np.linalg.norm(sums[:, 3:], axis=1, keepdims=True), 1e-300)
    return SurfaceSamples(sums[:, :3] / counts[:, None], normals)
