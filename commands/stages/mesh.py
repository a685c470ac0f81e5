"""`viewdistill mesh`: the fitted surface, or the fitted field, as a textured mesh."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from PIL import Image

from commands import options
from commands.stages.job import StageJob, Work, run_stage
from commands.stages.requirements import require
from commands.tracking.stage import option_settings
from datamodules.cameras import read_rgba
from datamodules.posed_views import ViewCamera, load_views
from datamodules.run_folder import InputMeta, RunFolder
from datamodules.stages import Route, Source
from lightning_modules.radiance_field import load_field
from lightning_modules.surface import load_surface
from viewdistill.mesh.cleaning import CleaningSettings
from viewdistill.mesh.contact_sheet import contact_sheet
from viewdistill.mesh.export import InputCamera, save_glb, save_obj, save_stl
from viewdistill.mesh.from_field import FieldMesh, MeshSettings, mesh_from_field
from viewdistill.mesh.from_surface import SurfaceMesh, mesh_from_surface
from viewdistill.mesh.projection import TextureView, project_views
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.mesh.turntable import ring, write_turntable

EPILOG = """\
The surface is the zero level of its signed distance; of a field, the iso-value is chosen by comparing silhouettes of
candidate surfaces with the opacity that the field renders. Where the views stage is complete, the texture is projected
from the refined views and the input image; what none of them sees keeps the colour of the surface or field.
All files have +Y up, the STL too: turn it by 90 degrees about x for printing."""

OPACITY_VIEWS = 8
"""Views around the field whose silhouettes decide the iso-value."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """The run."""
    source: Source | None = None
    """Stage to make the mesh from; the surface where it is complete, if not given."""
    resolution: int = 128
    """Marching-cubes nodes per axis."""
    texture_size: int = 1024
    """Side of the texture, texels."""
    faces: int = 20_000
    """Budget of faces."""
    opacity_size: int = 96
    """Side of the views that decide a field's iso-value, pixels."""
    projection: bool | None = None
    """Whether the texture comes from the refined views; where the views stage is complete, if not given."""
    input_weight: float = 4.0
    """Weight of the input image in the texture; a refined view has 1."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=options.run_folder, metavar="RUN", help="run folder with a complete surface or field stage"
    )
    parser.add_argument(
        "--source", choices=get_args(Source), help="stage to make the mesh from (default: surface where complete)"
    )
    for option, default, description in (
        ("--resolution", 128, "marching-cubes nodes per axis"),
        ("--texture-size", 1024, "side of the texture in texels"),
        ("--faces", 20_000, "budget of faces"),
        ("--opacity-size", 96, "side of the views that decide a field's iso-value"),
    ):
        parser.add_argument(
            option, type=options.Integer(low=8), default=default, metavar="N", help=f"{description} (default {default})"
        )
    parser.add_argument(
        "--projection",
        action=argparse.BooleanOptionalAction,
        help="texture from the refined views (default: where the views stage is complete)",
    )
    parser.add_argument(
        "--input-weight",
        type=options.Number(low=0.0),
        default=4.0,
        metavar="W",
        help="weight of the input image in the texture; a refined view has 1 (default 4)",
    )


def run(request: Request) -> None:
    """Extract, clean, unwrap, bake and write the mesh, then film it.

    Raises:
        ViewDistillError: A stage that is needed is missing, or its surface or field is empty.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Describe the stage; what the options leave open depends on which stages are complete."""
    folder = RunFolder(request.run_folder)
    source = request.source or ("surface" if folder.record("surface").is_file() else "field")
    projected = folder.record("views").is_file() if request.projection is None else request.projection
    settings = {name: value for name, value in option_settings(request).items() if name != "run_folder"}
    return StageJob(
        "mesh",
        folder,
        {**settings, "source": source, "projection": projected},
        lambda _: build(request, folder, source, projected),
        Route(source, projected=projected),
        tags=(f"source:{source}",),
    )


def build(request: Request, folder: RunFolder, source: Source, projected: bool) -> Work:
    """Read the views that give the texture, and return the extraction."""
    views = texture_views(folder, request.input_weight) if projected else []
    return partial(make_mesh, request, folder, source, views)


def make_mesh(request: Request, folder: RunFolder, source: Source, views: list[TextureView]) -> Mapping[str, Any]:
    """Extract the mesh, texture it and write it."""
    meta = InputMeta.load(folder.input_meta)
    result = from_surface(folder, request) if source == "surface" else from_field(folder, meta, request)
    mesh, share = project_views(result.mesh, views) if views else (result.mesh, 0.0)
    write(mesh, folder, meta)
    return {
        "texels_from_views": share,
        "source": source,
        "watertight": result.cleaning.watertight,
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
    }


def texture_views(folder: RunFolder, input_weight: float) -> list[TextureView]:
    """The refined views and the input image with their cameras.

    Raises:
        ViewDistillError: They are not complete, or a file of them is damaged.
    """
    meta, refined = require(folder, "views"), load_views(folder.refined_views)
    pictures = [*refined.rgba, read_rgba(folder.rgba)]
    cameras = [*refined.cameras, ViewCamera.of_input(meta)]
    weights = [1.0] * len(refined.cameras) + [input_weight]
    return [
        TextureView(rgba[:3].movedim(0, -1).numpy(), rgba[3].numpy(), camera.c2w, camera.fovy_deg, weight)
        for rgba, camera, weight in zip(pictures, cameras, weights, strict=True)
    ]


def mesh_settings(request: Request) -> MeshSettings:
    """Sizes of the mesh."""
    return MeshSettings(
        resolution=request.resolution,
        texture_size=request.texture_size,
        cleaning=CleaningSettings(face_budget=request.faces),
    )


def from_surface(folder: RunFolder, request: Request) -> SurfaceMesh:
    """The fitted surface with its own colours."""
    surface = load_surface(folder)
    with torch.no_grad():
        return mesh_from_surface(surface.sdf, surface.color, surface.radius, mesh_settings(request))


def from_field(folder: RunFolder, meta: InputMeta, request: Request) -> FieldMesh:
    """The surface of the fitted field with its own colours."""
    field = load_field(folder)
    c2w = ring(OPACITY_VIEWS, meta.elevation_deg, meta.distance)
    settings = mesh_settings(request)
    with torch.no_grad():
        opacity = field.render_views(c2w, meta.fovy_deg, request.opacity_size).opacity
        return mesh_from_field(
            field.density, field.color, field.radius, c2w, meta.fovy_deg, opacity, settings, field.occupied
        )


def write(mesh: TexturedMesh, folder: RunFolder, meta: InputMeta) -> None:
    """Write the mesh as OBJ, STL and GLB, and pictures of it."""
    save_obj(mesh, folder.obj)
    save_stl(mesh, folder.stl)
    save_glb(mesh, folder.glb, InputCamera(meta.elevation_deg, meta.azimuth_deg, meta.distance, meta.fovy_deg))
    write_turntable(mesh, folder.turntable, fovy=meta.fovy_deg, distance=meta.distance)
    picture = Image.open(folder.rgba).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    contact_sheet(mesh, np.asarray(white), folder.contact_sheet, meta.elevation_deg)
