"""The work of the mesh stage: extract, texture, judge and write."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from commands.requirements import require
from commands.stages.mesh_settings import MeshStageSettings
from datamodules.posed_views import ViewCamera, load_references, load_views, read_rgba
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.runs.stages import Source
from lightning_modules.radiance_field import load_field
from lightning_modules.surface import load_surface
from viewdistill.mesh.contact_sheet import contact_sheet
from viewdistill.mesh.export import FileFrame, InputCamera, Up, check_file, parse_size, save_glb, save_mesh
from viewdistill.mesh.from_field import FieldMesh, mesh_from_field
from viewdistill.mesh.from_surface import SurfaceMesh, mesh_from_surface
from viewdistill.mesh.projection import TextureView, project_views
from viewdistill.mesh.soundness import SMALLEST_INPUT_IOU, Soundness, silhouette_iou, soundness
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.mesh.turntable import ring, write_turntable
from viewdistill.pictures import read_rgb_over_white

OPACITY_VIEWS = 8
"""Number of views around the field for choosing the iso-value."""


@dataclass(frozen=True)
class Exports:
    """Files to write besides those of the run."""

    files: tuple[Path, ...] = ()
    """Paths; the suffix chooses the format."""
    up: Up | None = None
    """Their up axis; z for STL and y for the others when not given."""
    size: str | None = None
    """Longest side in them, with its unit."""

    @property
    def frame(self) -> FileFrame:
        """Axes and unit of the files to export.

        Raises:
            ViewDistillError: The size is not a length.
        """
        return FileFrame(self.up, None if self.size is None else parse_size(self.size))

    def check(self) -> None:
        """Reject files that cannot be exported, before any work.

        Raises:
            ViewDistillError: The size is not a length, or a format is not known or has other axes.
        """
        frame = self.frame
        for path in self.files:
            check_file(path, frame)


def make_mesh(
    settings: MeshStageSettings, exports: Exports, folder: RunFolder, source: Source, views: list[TextureView]
) -> Mapping[str, Any]:
    """Extract the mesh, texture it, write it, and assess it.

    Args:
        settings: Sizes of the mesh.
        exports: Files to write besides those of the run.
        folder: The run; its source stage is complete.
        source: Source stage of the mesh.
        views: Pictures for the texture, see `texture_views`; without any, the source's own colours are kept.

    Returns:
        Figures for the stage's record.

    Raises:
        ViewDistillError: The surface or field is empty or not finite, or a file cannot be written.
    """
    meta = InputMeta.load(folder.input_meta)
    result = from_surface(folder, settings) if source == "surface" else from_field(folder, meta, settings)
    mesh, share = project_views(result.mesh, views) if views else (result.mesh, 0.0)
    write(mesh, folder, meta)
    for path in exports.files:
        save_mesh(mesh, path, exports.frame, input_camera(meta))
    found = soundness(mesh.vertices, mesh.faces)
    iou = input_iou(mesh, folder, meta)
    for warning in mesh_warnings(found, iou):
        print(f"warning: {folder.root}: {warning}", file=sys.stderr)
    return {
        "texels_from_views": share,
        "source": source,
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        **found.figures,
        "problems": list(found.problems),
        "input_iou": round(iou, 4),
    }


def mesh_warnings(found: Soundness, iou: float) -> list[str]:
    """Return the mesh's deviations from the input, in words."""
    warnings: list[str] = []
    if iou < SMALLEST_INPUT_IOU:
        warnings.append(
            f"from the input's camera the mesh's silhouette differs from the input's (IoU {iou:.2f}, "
            f"below {SMALLEST_INPUT_IOU:g}): thin parts may be lost, or the elevation wrong"
        )
    if not found.sound:
        warnings.append(f"the mesh is not sound: {', '.join(found.problems)}")
    return warnings


def input_iou(mesh: TexturedMesh, folder: RunFolder, meta: InputMeta) -> float:
    """Return the agreement of the mesh's silhouette with the input's, from the input's camera, in [0, 1]."""
    camera, mask = ViewCamera.of_input(meta), read_rgba(folder.rgba)[3].numpy() > 0.5
    return silhouette_iou(mesh.vertices, mesh.faces, camera.c2w, camera.fovy_deg, mask)


def texture_views(folder: RunFolder, refined: bool, input_weight: float) -> list[TextureView]:
    """The input image, further references and, where asked for, the refined views, with their cameras.

    Raises:
        ViewDistillError: The views are not complete, or one of their files is damaged.
    """
    meta = require(folder, "views") if refined else InputMeta.load(folder.input_meta)
    views = load_views(folder.refined_views) if refined else None
    given = [(folder.rgba, ViewCamera.of_input(meta)), *load_references(folder)]
    pictures = [*(views.rgba if views else ()), *(read_rgba(path) for path, _ in given)]
    cameras = [*(views.cameras if views else ()), *(camera for _, camera in given)]
    weights = [1.0] * (len(cameras) - len(given)) + [input_weight] * len(given)
    return [
        TextureView(rgba[:3].movedim(0, -1).numpy(), rgba[3].numpy(), camera.c2w, camera.fovy_deg, weight)
        for rgba, camera, weight in zip(pictures, cameras, weights, strict=True)
    ]


def from_surface(folder: RunFolder, settings: MeshStageSettings) -> SurfaceMesh:
    """The fitted surface with its own colours."""
    surface = load_surface(folder)
    with torch.no_grad():
        return mesh_from_surface(surface.sdf, surface.color, surface.radius, settings.sizes)


def from_field(folder: RunFolder, meta: InputMeta, settings: MeshStageSettings) -> FieldMesh:
    """The surface of the fitted field with its own colours."""
    field = load_field(folder)
    c2w = ring(OPACITY_VIEWS, meta.elevation_deg, meta.distance)
    with torch.no_grad():
        opacity = field.render_views(c2w, meta.fovy_deg, settings.opacity_size).opacity
        return mesh_from_field(
            field.density, field.color, field.radius, c2w, meta.fovy_deg, opacity, settings.sizes, field.occupied
        )


def input_camera(meta: InputMeta) -> InputCamera:
    """The input's camera, for the GLB."""
    return InputCamera(meta.elevation_deg, meta.azimuth_deg, meta.distance, meta.fovy_deg)


def write(mesh: TexturedMesh, folder: RunFolder, meta: InputMeta) -> None:
    """Write the mesh as OBJ, STL and GLB, and pictures of it."""
    save_mesh(mesh, folder.obj)
    save_mesh(mesh, folder.stl)
    save_glb(mesh, folder.glb, input_camera(meta))
    write_turntable(mesh, folder.turntable, fovy=meta.fovy_deg, distance=meta.distance)
    white = read_rgb_over_white(folder.rgba, "run `viewdistill input` again")
    contact_sheet(mesh, white, folder.contact_sheet, meta.elevation_deg)
