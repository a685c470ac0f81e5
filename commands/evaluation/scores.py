"""Figures of one prediction: views, geometry, consistency, in the form of ``evaluation.json``.

An unavailable figure is ``{"mean": null, "reason": "…"}``, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from commands.evaluation.truth import Truth, camera_words, same_camera
from datamodules.posed_views import ViewCamera
from datamodules.view_sets import RIG_CAMERAS, ViewSet
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.metrics.colmap import colmap_points
from viewdistill.metrics.geometry import TriangleMesh, agreement
from viewdistill.metrics.images import psnr, ssim
from viewdistill.metrics.intervals import interval
from viewdistill.metrics.lpips import Lpips, lpips, network
from viewdistill.metrics.protocols import PROTOCOLS, RIG_SIZE, ProtocolScores
from viewdistill.metrics.reprojection import reprojection_psnr
from viewdistill.metrics.visible import depth_samples, visible_samples
from viewdistill.pictures import resize
from viewdistill.version import __version__

SMALLEST_VIEW = 16
"""Smallest side, pixels, for SSIM's window and VGG-16's poolings."""

POSED = "posed-views"
"""Name of the comparison of views from cameras other than SyncDreamer's rig at its size."""

MAPS = "depth-maps"
"""Name of the comparison of depth maps' points from cameras other than SyncDreamer's rig at its size."""


@dataclass(frozen=True)
class PredictedViews:
    """Views to score."""

    of: str
    """Their source, for the table."""
    views: ViewSet
    """The views."""
    required: bool = False
    """Whether the user asked for them, so that a failure to score them is an error."""
    self_consistent: bool = False
    """Whether they show one surface by construction, so that their consistency is meaningless."""


@dataclass(frozen=True)
class Prediction:
    """A prediction to score."""

    record: dict[str, Any]
    """Description, for ``evaluation.json``."""
    shape: TriangleMesh | None
    """Its surface."""
    textured: TexturedMesh | None
    """The same with colours."""
    views: list[PredictedViews] = field(default_factory=list[PredictedViews])
    """Its own views; those of the mesh are rendered for scoring."""
    notes: tuple[str, ...] = ()
    """Notes on the reading, for the user."""


def evaluate(prediction: Prediction, truth: Truth, protocols: Sequence[str]) -> dict[str, Any]:
    """Compute all figures of a prediction.

    Args:
        prediction: The prediction.
        truth: The ground truth.
        protocols: Names of the protocols of geometry.

    Raises:
        ViewDistillError: Views that the user asked for cannot be scored, or the truth has no surface.
    """
    perception = lpips_network()
    shown = [views for views in prediction.views if not views.self_consistent]
    return {
        "format": 1,
        "viewdistill": __version__,
        "prediction": prediction.record,
        "truth": truth.record,
        "views": [score_views(views, truth, perception) for views in prediction.views],
        "geometry": score_geometry(prediction.shape, truth, protocols),
        "consistency": [score_consistency(views, prediction.shape) for views in shown],
    }


def figure(values: Sequence[float]) -> dict[str, Any]:
    """Mean, interval and values of a metric over views."""
    found = interval(values)
    return {"mean": found.mean, "interval_95": [found.low, found.high], "values": list(values)}


def not_available(reason: object) -> dict[str, Any]:
    """Return an unavailable figure."""
    return {"mean": None, "reason": str(reason)}


def lpips_network() -> Lpips | str:
    """Return the network, or the reason for its absence."""
    try:
        return network()
    except ViewDistillError as error:
        return str(error)


def score_views(predicted: PredictedViews, truth: Truth, perception: Lpips | str) -> dict[str, Any]:
    """Compute PSNR, SSIM and LPIPS of views against the truth from the same cameras.

    Raises:
        ViewDistillError: The user asked for these views, and the truth cannot be shown from their cameras.
    """
    views = predicted.views
    row: dict[str, Any] = {"of": predicted.of, "protocol": view_protocol(views.cameras, views.rgb.shape[-1])}
    row |= {"views": len(views.cameras), "size": views.rgb.shape[-1]}
    try:
        if views.rgb.shape[-1] < SMALLEST_VIEW:
            raise ViewDistillError(f"views of {views.rgb.shape[-1]} pixels per side; {SMALLEST_VIEW} are needed")
        chosen, target = counterparts(predicted, truth)
    except ViewDistillError as error:
        if predicted.required:
            raise
        return row | {name: not_available(error) for name in ("psnr", "ssim", "lpips")}
    images, side = resized(views.rgb[chosen], target.shape[-1]), int(target.shape[-1])
    row |= {"views": len(chosen), "size": side, "protocol": view_protocol([views.cameras[i] for i in chosen], side)}
    if side != views.rgb.shape[-1]:
        row["resized_from"] = int(views.rgb.shape[-1])
    # SyncDreamer's script leaves the range to torchmetrics, which uses the pictures' own.
    ranges = "pictures" if row["protocol"] == "syncdreamer" else "unit"
    row["psnr"], row["ssim"] = figure(psnr(images, target).tolist()), figure(ssim(images, target, ranges).tolist())
    row["lpips"] = not_available(perception)
    if not isinstance(perception, str):
        row["lpips"] = figure(lpips(perception, images, target).tolist())
    return row


def counterparts(predicted: PredictedViews, truth: Truth) -> tuple[list[int], Tensor]:
    """Return the views to score, and the truth for each.

    A truth that consists of views is scored completely: a missing prediction is an error.

    Raises:
        ViewDistillError: The truth cannot be rendered from a camera, or the prediction lacks one of its cameras.
    """
    cameras, stored = predicted.views.cameras, truth.stored
    if stored is None:
        return list(range(len(cameras))), truth.views(cameras, predicted.views.rgb.shape[-1])
    found = [same_camera(camera, cameras) for camera in stored.cameras]
    for index, name, camera in zip(found, stored.names, stored.cameras, strict=True):
        if index is None:
            raise ViewDistillError(f"{predicted.of}: no view from the camera of {name} ({camera_words(camera)})")
    return [index for index in found if index is not None], stored.rgb


def view_protocol(cameras: Sequence[ViewCamera], size: int) -> str:
    """`syncdreamer` for exactly its 16 cameras at its size, else `posed-views`."""
    return "syncdreamer" if is_rig(cameras, size) else POSED


def is_rig(cameras: Sequence[ViewCamera], size: int) -> bool:
    """Return whether views are those of SyncDreamer's rig, in its order."""
    same = [same_camera(camera, cameras) for camera in RIG_CAMERAS]
    return (
        size == RIG_SIZE
        and len(cameras) == len(RIG_CAMERAS)
        and sorted(i for i in same if i is not None) == list(range(len(RIG_CAMERAS)))
    )


def resized(images: Tensor, size: int) -> Tensor:
    """Pictures at another size."""
    return resize(images, size).clamp(0, 1)


def score_geometry(shape: TriangleMesh | None, truth: Truth, protocols: Sequence[str]) -> list[dict[str, Any]]:
    """Compute a surface's figures under each protocol; no rows without anything to compare.

    Raises:
        ViewDistillError: The truth has no surface.
    """
    if shape is None:
        return []
    if truth.shape is not None:
        return [geometry_row(PROTOCOLS[name](shape, truth.shape)) for name in protocols]
    if truth.stored is None or truth.stored.depth is None:
        return []
    return [depth_row(shape, truth.stored)]


def depth_row(shape: TriangleMesh, stored: ViewSet) -> dict[str, Any]:
    """Compute figures of the prediction's visible points against those of depth maps."""
    assert stored.depth is not None
    size = stored.depth.shape[1]
    true = depth_samples(stored.depth, stored.c2w, stored.fovy)
    seen = visible_samples(shape, stored.c2w, stored.fovy, size)
    name = "syncdreamer" if is_rig(stored.cameras, size) else MAPS
    scores = agreement(seen, true, math.nan)
    return geometry_row(ProtocolScores(name, scores, len(seen.points), len(true.points), 0))


def geometry_row(found: Any) -> dict[str, Any]:
    """Return one protocol's figures; non-finite ones, which JSON cannot hold, become reasons."""
    row: dict[str, Any] = {"protocol": found.protocol, "prediction_points": found.prediction_points}
    row |= {"truth_points": found.truth_points, "iou_resolution": found.iou_resolution}
    for name, value in asdict(found.scores).items():
        reason = "the prediction is empty" if math.isinf(value) else "not available from depth maps"
        row[name] = {"mean": value} if math.isfinite(value) else not_available(reason)
    if found.alignment is not None:
        alignment = found.alignment
        row["alignment"] = {
            "scale": alignment.scale,
            "rotation_deg": alignment.angle_deg,
            "shift": alignment.shift.tolist(),
            "matrix": alignment.matrix.tolist(),
        }
    return row


def score_consistency(predicted: PredictedViews, shape: TriangleMesh | None) -> dict[str, Any]:
    """Measure the consistency of views: reprojection through the predicted surface, and COLMAP's points."""
    views = predicted.views
    row: dict[str, Any] = {"of": predicted.of, "views": len(views.cameras), "size": int(views.rgb.shape[-1])}
    if shape is None:
        row["reprojection_psnr"] = not_available("no predicted mesh that could carry colours from view to view")
    else:
        values = reprojection_psnr(views.rgb, views.c2w, views.fovy, shape)
        row["reprojection_psnr"] = figure(values) if values else not_available("no two views share enough of the mesh")
    try:
        row["colmap_points"] = {"mean": colmap_points(views.rgb, views.c2w, views.fovy)}
    except ViewDistillError as error:
        row["colmap_points"] = not_available(error)
    return row
