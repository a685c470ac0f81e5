"""What is scored: mesh and views of a run, or files of any system."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from viewdistill.errors import ViewDistillError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commands.evaluation.scores import PredictedViews, Prediction
    from datamodules.posed_views import ViewCamera
    from datamodules.run_folder import RunFolder


def of_run(folder: RunFolder, cameras: Sequence[ViewCamera], arguments: argparse.Namespace) -> Prediction:
    """Mesh and views of a run, as far as its stages are complete.

    Raises:
        ViewDistillError: None of them is, or a file is damaged.
    """
    from commands.evaluation.scores import PredictedViews, Prediction
    from commands.stages.requirements import require
    from datamodules.view_sets import load_view_set
    from viewdistill.mesh.loading import load_mesh
    from viewdistill.metrics.geometry import Shape

    mesh = load_mesh(folder.glb) if folder.record("mesh").is_file() else None
    views: list[PredictedViews] = []
    for name, stage, path in (
        ("novel_views", "novel_views", folder.novel_views),
        ("views/renders", "views", folder.raw_views),
        ("views", "views", folder.refined_views),
    ):
        if folder.record(stage).is_file():
            views.append(PredictedViews(name, load_view_set(path)))
    if arguments.field:
        require(folder, "field")
        views.append(field_views(folder, cameras, arguments.size))
    if mesh is None and not views:
        raise ViewDistillError(f"{folder.root}: no complete mesh or views here; run `make object IMG=…` first")
    rendered = mesh_views(mesh.textured, cameras, arguments.size) if mesh and mesh.textured else []
    record = {"kind": f"run {folder.root}", "mesh": str(folder.glb) if mesh else None}
    shape = Shape(mesh.vertices, mesh.faces) if mesh else None
    baseline = copied_input(folder, cameras, arguments.size)
    return Prediction(record, shape, mesh.textured if mesh else None, [*rendered, *views, baseline])


def of_files(cameras: Sequence[ViewCamera], arguments: argparse.Namespace) -> Prediction:
    """The mesh and the views that the options name.

    Raises:
        ViewDistillError: A file cannot be read.
    """
    from commands.evaluation.scores import PredictedViews, Prediction
    from datamodules.view_sets import load_view_set
    from viewdistill.mesh.loading import load_mesh
    from viewdistill.metrics.geometry import Shape

    given = [str(path) for path in (arguments.mesh, arguments.views) if path is not None]
    mesh = load_mesh(arguments.mesh, arguments.mesh_up or "y") if arguments.mesh else None
    views = mesh_views(mesh.textured, cameras, arguments.size) if mesh and mesh.textured else []
    if arguments.views is not None:
        views.append(PredictedViews(str(arguments.views), load_view_set(arguments.views), required=True))
    record = {"kind": " and ".join(given), "mesh": str(arguments.mesh) if mesh else None}
    shape = Shape(mesh.vertices, mesh.faces) if mesh else None
    return Prediction(record, shape, mesh.textured if mesh else None, views)


def mesh_views(mesh: Any, cameras: Sequence[ViewCamera], size: int) -> list[PredictedViews]:
    """Renders of a predicted mesh."""
    from commands.evaluation.scores import PredictedViews
    from commands.evaluation.truth import render_textured
    from datamodules.view_sets import ViewSet

    names = tuple(f"mesh#{index}" for index in range(len(cameras)))
    views = ViewSet(render_textured(mesh, cameras, size), tuple(cameras), names, "rendered")
    return [PredictedViews("mesh", views, self_consistent=True)]


def field_views(folder: RunFolder, cameras: Sequence[ViewCamera], size: int) -> PredictedViews:
    """Renders of a run's radiance field.

    Raises:
        ViewDistillError: The cameras have several fields of view, or the field cannot be read.
    """
    import torch

    from commands.evaluation.scores import PredictedViews
    from datamodules.view_sets import ViewSet
    from lightning_modules.radiance_field import load_field

    field = load_field(folder)
    with torch.no_grad():
        pictures = [field.render_views(c.c2w[None], c.fovy_deg, size).rgb.permute(0, 3, 1, 2) for c in cameras]
    names = tuple(f"field#{index}" for index in range(len(cameras)))
    views = ViewSet(torch.cat(pictures).clamp(0, 1), tuple(cameras), names, "rendered")
    return PredictedViews("field", views, self_consistent=True)


def copied_input(folder: RunFolder, cameras: Sequence[ViewCamera], size: int) -> PredictedViews:
    """The input view in place of every view: what a prediction must beat."""
    from commands.evaluation.scores import PredictedViews, resized
    from datamodules.cameras import read_rgba
    from datamodules.view_sets import ViewSet
    from viewdistill.metrics.images import over_white

    picture = resized(over_white(read_rgba(folder.rgba)[None]), size).expand(len(cameras), -1, -1, -1)
    names = tuple(f"input#{index}" for index in range(len(cameras)))
    return PredictedViews("copy of input", ViewSet(picture, tuple(cameras), names, "rendered"), self_consistent=True)
