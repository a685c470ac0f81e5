"""Predictions to score: mesh and views of a run, or files of any system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from commands.evaluation.scores import PredictedViews, Prediction, resized
from commands.evaluation.truth import render_textured
from commands.requirements import require
from datamodules.posed_views import ViewCamera, read_rgba
from datamodules.runs.run_folder import RunFolder
from datamodules.view_sets import ViewSet, load_view_set
from lightning_modules.radiance_field import load_field
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.claims import MeshLimits
from viewdistill.mesh.loading import LoadedMesh, Up, load_mesh
from viewdistill.metrics.geometry import TriangleMesh
from viewdistill.pictures import over_white


def of_run(
    folder: RunFolder, cameras: Sequence[ViewCamera], size: int, with_field: bool, limits: MeshLimits | None = None
) -> Prediction:
    """Collect the mesh and the views of a run's complete stages.

    Args:
        folder: The run.
        cameras: Cameras from which meshes and fields are rendered.
        size: Side of renders, pixels.
        with_field: Whether to render the radiance field too.
        limits: Limits on its mesh.

    Raises:
        ViewDistillError: No such stage is complete, or a file is damaged.
    """
    mesh = load_mesh(folder.glb, limits=limits) if folder.record("mesh").is_file() else None
    views: list[PredictedViews] = []
    for name, stage, path in (
        ("novel_views", "novel_views", folder.novel_views),
        ("views/renders", "views", folder.raw_views),
        ("views", "views", folder.refined_views),
    ):
        if folder.record(stage).is_file():
            views.append(PredictedViews(name, load_view_set(path)))
    if with_field:
        require(folder, "field")
        views.append(field_views(folder, cameras, size))
    if mesh is None and not views:
        raise ViewDistillError(f"{folder.root}: no complete mesh or views here; run `make object IMG=…` first")
    rendered = mesh_views(mesh.textured, cameras, size) if mesh and mesh.textured else []
    record = {"kind": f"run {folder.root}", "mesh": str(folder.glb) if mesh else None}
    shape = TriangleMesh(mesh.vertices, mesh.faces) if mesh else None
    baseline = copied_input(folder, cameras, size)
    return Prediction(record, shape, mesh.textured if mesh else None, [*rendered, *views, baseline], notes_of(mesh))


def of_files(
    mesh_file: Path | None,
    up: Up,
    views_path: Path | None,
    cameras: Sequence[ViewCamera],
    size: int,
    limits: MeshLimits | None = None,
) -> Prediction:
    """Read the mesh and the views of another system.

    Args:
        mesh_file: Its mesh, if any.
        up: Up axis of the mesh.
        views_path: Its views, if any.
        cameras: Cameras from which the mesh is rendered.
        size: Side of renders, pixels.
        limits: Limits on the mesh.

    Raises:
        ViewDistillError: A file cannot be read.
    """
    given = [str(path) for path in (mesh_file, views_path) if path is not None]
    mesh = load_mesh(mesh_file, up, limits=limits) if mesh_file else None
    views = mesh_views(mesh.textured, cameras, size) if mesh and mesh.textured else []
    if views_path is not None:
        views.append(PredictedViews(str(views_path), load_view_set(views_path), required=True))
    record = {"kind": " and ".join(given), "mesh": str(mesh_file) if mesh else None}
    shape = TriangleMesh(mesh.vertices, mesh.faces) if mesh else None
    return Prediction(record, shape, mesh.textured if mesh else None, views, notes_of(mesh))


def notes_of(mesh: LoadedMesh | None) -> tuple[str, ...]:
    """Return notes on the reading of a mesh, for the user."""
    return mesh.notes if mesh else ()


def mesh_views(mesh: Any, cameras: Sequence[ViewCamera], size: int) -> list[PredictedViews]:
    """Renders of a predicted mesh."""
    names = tuple(f"mesh#{index}" for index in range(len(cameras)))
    views = ViewSet(render_textured(mesh, cameras, size), tuple(cameras), names, "rendered")
    return [PredictedViews("mesh", views, self_consistent=True)]


def field_views(folder: RunFolder, cameras: Sequence[ViewCamera], size: int) -> PredictedViews:
    """Renders of a run's radiance field.

    Raises:
        ViewDistillError: The cameras have several fields of view, or the field cannot be read.
    """
    field = load_field(folder)
    with torch.no_grad():
        pictures = [field.render_views(c.c2w[None], c.fovy_deg, size).rgb.permute(0, 3, 1, 2) for c in cameras]
    names = tuple(f"field#{index}" for index in range(len(cameras)))
    views = ViewSet(torch.cat(pictures).clamp(0, 1), tuple(cameras), names, "rendered")
    return PredictedViews("field", views, self_consistent=True)


def copied_input(folder: RunFolder, cameras: Sequence[ViewCamera], size: int) -> PredictedViews:
    """Return the input view in place of every view, as a baseline."""
    picture = resized(over_white(read_rgba(folder.rgba)[None]), size).expand(len(cameras), -1, -1, -1)
    names = tuple(f"input#{index}" for index in range(len(cameras)))
    return PredictedViews("copy of input", ViewSet(picture, tuple(cameras), names, "rendered"), self_consistent=True)
