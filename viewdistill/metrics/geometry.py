"""Agreement of surfaces: Chamfer distance, F-score, normal consistency, Volume IoU (protocol `surface`).

Both meshes are compared in world space, without alignment. `viewdistill.metrics.protocols` defines other choices of
points and pose.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import trimesh
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from viewdistill.errors import ViewDistillError
from viewdistill.metrics.winding import inside_grid

Vertices = Float[np.ndarray, "_ 3"]
Faces = Int[np.ndarray, "_ 3"]

SAMPLES = 100_000
IOU_RESOLUTION = 128


class TriangleMesh(NamedTuple):
    """A triangle mesh in world space."""

    vertices: Vertices
    """Positions, world units."""
    faces: Faces
    """Vertex indices, consistently oriented."""


@dataclass(frozen=True)
class GeometryScores:
    """Agreement of a mesh with the truth. An empty prediction has infinite Chamfer distance and 0 for the rest.

    Figures that the truth does not support are NaN: depth maps have neither normals nor an inside.
    """

    chamfer: float
    """Half the sum of both mean distances to the nearest sample of the other surface, world units (not squared)."""
    f_score_001: float
    """Harmonic mean of the shares of samples within 0.01 of the other surface, world units."""
    f_score_002: float
    """The same within 0.02."""
    normal_consistency: float
    """Mean absolute cosine between normals of nearest samples, both ways; 1 is best."""
    volume_iou: float
    """Intersection over union of the insides."""


NOTHING = GeometryScores(float("inf"), 0.0, 0.0, 0.0, 0.0)
"""The scores of an empty prediction."""


@dataclass(frozen=True)
class SurfaceSamples:
    """Points of a surface."""

    points: Float[np.ndarray, "n 3"]
    """World units."""
    normals: Float[np.ndarray, "n 3"]
    """Unit normals of their faces; NaN if unknown."""


def sample_surface(vertices: Vertices, faces: Faces, count: int = SAMPLES, seed: int = 0) -> SurfaceSamples:
    """Draw points uniformly by area from a mesh.

    Args:
        vertices: Positions, world units.
        faces: Triangles.
        count: Number of points.
        seed: Random seed.

    Raises:
        ViewDistillError: If the mesh has no area.
    """
    library: Any = trimesh
    finite = faces[np.isfinite(np.asarray(vertices)[faces]).all((1, 2))] if len(faces) else faces
    mesh = library.Trimesh(np.nan_to_num(np.asarray(vertices, dtype=np.float64)), finite, process=False)
    if len(finite) == 0 or not mesh.area > 0:
        raise ViewDistillError("metrics: the mesh has no surface to sample; give one that has triangles with an area")
    points, face = library.sample.sample_surface(mesh, count, seed=seed)
    cross = mesh.triangles_cross[face]
    return SurfaceSamples(np.array(points), cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300))


def volume_iou(
    vertices: Vertices,
    faces: Faces,
    true_vertices: Vertices,
    true_faces: Faces,
    resolution: int = IOU_RESOLUTION,
    box: Float[np.ndarray, "2 3"] | None = None,
) -> float:
    """Return the intersection over union of the insides of two meshes, counted on a grid.

    Args:
        vertices: Of the prediction, world units.
        faces: Of the prediction.
        true_vertices: Of the truth.
        true_faces: Of the truth.
        resolution: Cells along each axis.
        box: Corners of the grid; the box around both meshes when not given.
    """
    if len(faces) == 0 or len(true_faces) == 0:
        return 0.0
    if box is None:
        used = np.concatenate([vertices[faces].reshape(-1, 3), true_vertices[true_faces].reshape(-1, 3)])
        used = used[np.isfinite(used).all(1)]
        box = np.stack([used.min(0), used.max(0)]).astype(np.float64)
        # A flat box would give cells without volume.
        box[1] = np.maximum(box[1], box[0] + 1e-6)
    first = inside_grid(vertices, faces, box, resolution)
    second = inside_grid(true_vertices, true_faces, box, resolution)
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def geometry_scores(
    vertices: Vertices,
    faces: Faces,
    true_vertices: Vertices,
    true_faces: Faces,
    samples: int = SAMPLES,
    resolution: int = IOU_RESOLUTION,
    seed: int = 0,
) -> GeometryScores:
    """Return all geometry figures of a mesh against the truth.

    Args:
        vertices: Of the prediction, world units.
        faces: Of the prediction; may be empty.
        true_vertices: Of the truth.
        true_faces: Of the truth.
        samples: Points drawn from each surface.
        resolution: Cells along each axis of the grid for the Volume IoU.
        seed: Random seed.

    Raises:
        ViewDistillError: If the truth has no surface.
    """
    truth = sample_surface(true_vertices, true_faces, samples, seed + 1)
    if len(faces) == 0:
        return NOTHING
    prediction = sample_surface(vertices, faces, samples, seed)
    return agreement(prediction, truth, volume_iou(vertices, faces, true_vertices, true_faces, resolution))


def agreement(prediction: SurfaceSamples, truth: SurfaceSamples, iou: float) -> GeometryScores:
    """Return all figures of points of two surfaces.

    Args:
        prediction: Points of the prediction; may be empty.
        truth: Points of the truth.
        iou: Volume IoU of the two, which points cannot give.

    Raises:
        ViewDistillError: If the truth has no points.
    """
    if len(truth.points) == 0:
        raise ViewDistillError("metrics: the ground truth has no visible surface; check its scale and its up axis")
    if len(prediction.points) == 0:
        return NOTHING
    to_truth, cosine = _nearest(prediction, truth)
    to_prediction, back_cosine = _nearest(truth, prediction)
    return GeometryScores(
        chamfer=0.5 * float(to_truth.mean() + to_prediction.mean()),
        f_score_001=_f_score(to_truth, to_prediction, 0.01),
        f_score_002=_f_score(to_truth, to_prediction, 0.02),
        normal_consistency=0.5 * float(cosine.mean() + back_cosine.mean()),
        volume_iou=iou,
    )


def _nearest(source: SurfaceSamples, target: SurfaceSamples) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return each sample's distance to the nearest of the other surface, and the absolute cosine of their normals."""
    tree: Any = KDTree(target.points)
    distance, index = tree.query(source.points)
    return distance, np.abs((source.normals * target.normals[index]).sum(1))


def _f_score(to_truth: Float[np.ndarray, " n"], to_prediction: Float[np.ndarray, " m"], threshold: float) -> float:
    precision, recall = float((to_truth < threshold).mean()), float((to_prediction < threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
