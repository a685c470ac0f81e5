"""Named protocols of geometry evaluation: choice of points, pose and grid.

`syncdreamer` reproduces SyncDreamer's published figures (Liu et al. 2023, evaluation script): points are those seen by
16 cameras, thinned to one per voxel of 0.01; the Volume IoU counts the 64³ lattice points -1 + i/32 with i from 0 to
63, at which mesh2sdf takes distances; nothing is aligned. Two differences: the inside comes from the winding number,
since a signed distance has no sure sign on an open mesh, and pixels are taken at their centres. `surface` draws 100,000
points by area from each surface and counts the centres of 128³ cells of the box around both, without alignment, since
a lattice that starts at a corner of the box counts one side of an object and not the other; `surface-aligned` moves,
turns and scales the prediction by ICP first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at
from viewdistill.metrics.alignment import Similarity, align
from viewdistill.metrics.geometry import (
    IOU_RESOLUTION,
    NOTHING,
    SAMPLES,
    GeometryScores,
    TriangleMesh,
    agreement,
    geometry_scores,
    sample_surface,
    volume_iou,
)
from viewdistill.metrics.visible import visible_samples

RIG_VIEWS = 16
"""Cameras of SyncDreamer's rig, at equal steps of azimuth from 0 on."""

RIG_ELEVATION = 30.0
"""Elevation of the rig's cameras, degrees."""

RIG_SIZE = 256
"""Side of the rig's pictures, pixels."""

RIG_RESOLUTION = 64
"""Points along each axis of SyncDreamer's lattice."""

RIG_BOX = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]) - 1 / RIG_RESOLUTION
"""Corners of the cells around the points of its lattice, -1 + i/32, world units."""


@dataclass(frozen=True)
class ProtocolScores:
    """Figures of one mesh under one protocol."""

    protocol: str
    """Its name."""
    scores: GeometryScores
    """The figures."""
    prediction_points: int
    """Points of the prediction."""
    truth_points: int
    """Points of the truth."""
    iou_resolution: int
    """Cells along each axis of the grid of the Volume IoU; 0 without a grid."""
    alignment: Similarity | None = None
    """Alignment of the prediction, for aligning protocols."""


def rig() -> Float[Tensor, "views 4 4"]:
    """Return camera-to-world matrices of SyncDreamer's 16 cameras; the first is on the input view's side."""
    azimuth = torch.arange(RIG_VIEWS) * (360.0 / RIG_VIEWS)
    return look_at(azimuth, torch.full_like(azimuth, RIG_ELEVATION), torch.full_like(azimuth, DISTANCE))


def syncdreamer(prediction: TriangleMesh, truth: TriangleMesh) -> ProtocolScores:
    """Compare points seen by the rig; the truth should be centred on its box with a longest side of 1.

    Raises:
        ViewDistillError: If the rig sees nothing of the truth.
    """
    fovy = [FOVY_ZERO123] * RIG_VIEWS
    seen, true = (visible_samples(shape, rig(), fovy, RIG_SIZE) for shape in (prediction, truth))
    iou = volume_iou(*prediction, *truth, RIG_RESOLUTION, RIG_BOX)
    scores = agreement(seen, true, iou)
    return ProtocolScores("syncdreamer", scores, len(seen.points), len(true.points), RIG_RESOLUTION)


def surface(prediction: TriangleMesh, truth: TriangleMesh) -> ProtocolScores:
    """Compare points drawn by area, both meshes in world space.

    Raises:
        ViewDistillError: If a mesh has faces but no area, or the truth has no faces.
    """
    scores = geometry_scores(*prediction, *truth)
    drawn = SAMPLES if len(prediction.faces) else 0
    return ProtocolScores("surface", scores, drawn, SAMPLES, IOU_RESOLUTION)


def surface_aligned(prediction: TriangleMesh, truth: TriangleMesh) -> ProtocolScores:
    """Like `surface`, after similarity ICP of the prediction.

    Raises:
        ViewDistillError: If a mesh has faces but no area, or the truth has no faces.
    """
    target = sample_surface(*truth, seed=1)
    if len(prediction.faces) == 0:
        return ProtocolScores("surface-aligned", NOTHING, 0, SAMPLES, IOU_RESOLUTION)
    similarity = align(sample_surface(*prediction).points, target.points)
    moved = TriangleMesh(similarity(np.asarray(prediction.vertices, dtype=np.float64)), prediction.faces)
    scores = geometry_scores(*moved, *truth)
    return ProtocolScores("surface-aligned", scores, SAMPLES, SAMPLES, IOU_RESOLUTION, similarity)


PROTOCOLS: Mapping[str, Callable[[TriangleMesh, TriangleMesh], ProtocolScores]] = MappingProxyType(
    {"syncdreamer": syncdreamer, "surface": surface, "surface-aligned": surface_aligned}
)
"""Name → protocol."""
