"""Pictures, tables and meshes of a complete stage for W&B. Callbacks log the pictures drawn during a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import wandb

from datamodules.class_images import ClassImages
from datamodules.posed_views import ViewCamera, load_cameras
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.runs.stages import STAGES

CAMERA_COLUMNS = ["azimuth_deg", "elevation_deg", "distance", "fovy_deg"]
"""Camera numbers in tables of views: degrees, and world units from the origin."""

SHOWN_CLASS_IMAGES = 16
"""Number of class images to show; all of them are in the artifact."""


def stage_media(folder: RunFolder, stage: str) -> dict[str, Any]:
    """Return a stage's media for W&B, by their logged names; none for the fitted stages.

    Raises:
        ViewDistillError: The list of cameras of a folder of views is damaged.
    """
    makers: dict[str, Callable[[RunFolder], dict[str, Any]]] = {
        "picture": picture_media,
        "input": input_media,
        "novel_views": novel_view_media,
        "class_images": class_image_media,
        "views": refined_view_media,
        "mesh": mesh_media,
        "report": report_media,
    }
    return makers[stage](folder) if stage in makers else {}


def picture_media(folder: RunFolder) -> dict[str, Any]:
    """The picture that was chosen, and all samples."""
    return {"picture": wandb.Image(str(folder.picture)), "candidates": wandb.Image(str(folder.candidates))}


def input_media(folder: RunFolder) -> dict[str, Any]:
    """The framed image."""
    return {"input": wandb.Image(str(folder.rgba))}


def novel_view_media(folder: RunFolder) -> dict[str, Any]:
    """A table of the samples."""
    table = wandb.Table(columns=["view", "input", "sample", *CAMERA_COLUMNS])
    shown = wandb.Image(str(folder.rgba))
    for path, camera in load_cameras(folder.novel_views):
        table.add_data(path.name, shown, wandb.Image(str(path)), *camera_numbers(camera))
    return {"novel_views": table}


def class_image_media(folder: RunFolder) -> dict[str, Any]:
    """The first images of the class."""
    images = ClassImages.load(folder)
    return {"class_images": [wandb.Image(str(path)) for path in images.paths[:SHOWN_CLASS_IMAGES]]}


def refined_view_media(folder: RunFolder) -> dict[str, Any]:
    """Return a table of renders and refined views, and the sheet with both."""
    table = wandb.Table(columns=["view", "input", "render", "refined", *CAMERA_COLUMNS])
    shown = wandb.Image(str(folder.rgba))
    for path, camera in load_cameras(folder.refined_views):
        raw = folder.raw_views / path.name
        render = wandb.Image(str(raw)) if raw.is_file() else None
        table.add_data(path.name, shown, render, wandb.Image(str(path)), *camera_numbers(camera))
    sheet = folder.refined_views / "before_after.png"
    return {"views": table, **({"before_after": wandb.Image(str(sheet))} if sheet.is_file() else {})}


def mesh_media(folder: RunFolder) -> dict[str, Any]:
    """The mesh to orbit, its turntable and its contact sheet."""
    return {
        "mesh": wandb.Object3D.from_file(str(folder.glb)),
        **({"turntable": wandb.Video(str(folder.turntable))} if folder.turntable.is_file() else {}),
        **({"contact_sheet": wandb.Image(str(folder.contact_sheet))} if folder.contact_sheet.is_file() else {}),
    }


def report_media(folder: RunFolder) -> dict[str, Any]:
    """Return a table of every complete stage's costs."""
    table = wandb.Table(columns=["stage", "seconds", "peak_memory_mb", "files_mb"])
    for stage in STAGES:
        if folder.record(stage).is_file():
            record = read_json(folder.record(stage))
            size = sum(record["files"].values()) / 1e6
            table.add_data(stage, record["seconds"], record["peak_memory_mb"], size)
    return {"timings": table}


def camera_numbers(camera: ViewCamera) -> list[float]:
    """In the order of `CAMERA_COLUMNS`."""
    return [camera.azimuth_deg, camera.elevation_deg, camera.distance, camera.fovy_deg]
