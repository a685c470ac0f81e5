"""`viewdistill mesh`: the fitted surface, or the fitted field, as a textured mesh."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datamodules.run_folder import InputMeta, RunFolder
    from viewdistill.mesh.from_field import FieldMesh, MeshSettings
    from viewdistill.mesh.from_surface import SurfaceMesh
    from viewdistill.mesh.projection import TextureView
    from viewdistill.mesh.textured_mesh import TexturedMesh

EPILOG = """\
The surface is the zero level of its signed distance; of a field, the iso-value is chosen by comparing silhouettes of
candidate surfaces with the opacity that the field renders. Where the views stage is complete, the texture is projected
from the refined views and the input image; what none of them sees keeps the colour of the surface or field.
All files have +Y up, the STL too: turn it by 90 degrees about x for printing."""

OPACITY_VIEWS = 8
"""Views around the field whose silhouettes decide the iso-value."""

Source = Literal["surface", "field"]
"""Stage that the mesh is made from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete surface or field stage"
    )
    parser.add_argument(
        "--source", choices=("surface", "field"), help="stage to make the mesh from (default: surface where complete)"
    )
    for option, default, description in (
        ("--resolution", 128, "marching-cubes nodes an axis"),
        ("--texture-size", 1024, "side of the texture in texels"),
        ("--faces", 20_000, "budget of faces"),
        ("--opacity-size", 96, "side of the views that decide a field's iso-value"),
    ):
        parser.add_argument(option, type=int, default=default, metavar="N", help=f"{description} (default {default})")
    parser.add_argument(
        "--projection",
        action=argparse.BooleanOptionalAction,
        help="texture from the refined views (default: where the views stage is complete)",
    )
    parser.add_argument(
        "--input-weight",
        type=float,
        default=4.0,
        metavar="W",
        help="weight of the input image in the texture; a refined view has 1 (default 4)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Extract, clean, unwrap, bake and write the mesh, then film it.

    Raises:
        ViewDistillError: A stage that is needed is missing, or its surface or field is empty.
    """
    from commands.stages.requirements import require
    from commands.tracking.stage import option_settings, track_stage
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage
    from viewdistill.errors import ViewDistillError
    from viewdistill.mesh.projection import project_views

    if min(arguments.resolution, arguments.texture_size, arguments.faces, arguments.opacity_size) < 8:
        raise ViewDistillError("--resolution, --texture-size, --faces and --opacity-size must be at least 8")
    if not 0 <= arguments.input_weight < float("inf"):
        raise ViewDistillError(f"--input-weight {arguments.input_weight:g}: must be a number from 0 on")
    folder = RunFolder(arguments.run_folder)
    source: Source = arguments.source or ("surface" if folder.record("surface").is_file() else "field")
    meta = require(folder, source)
    views = choose_views(folder, arguments.projection, arguments.input_weight)
    with record_stage(folder.stage("mesh"), "mesh") as figures:
        result = from_surface(folder, arguments) if source == "surface" else from_field(folder, meta, arguments)
        mesh, figures["texels_from_views"] = project_views(result.mesh, views) if views else (result.mesh, 0.0)
        write(mesh, folder, meta)
        figures["source"], figures["watertight"] = source, result.cleaning.watertight
        figures["vertices"], figures["faces"] = len(mesh.vertices), len(mesh.faces)
    uses = ("input", source, *(("views",) if views else ()))
    track_stage(folder, "mesh", uses, option_settings(arguments), tags=(f"source:{source}",))


def choose_views(folder: RunFolder, wanted: bool | None, input_weight: float) -> list[TextureView]:
    """The refined views and the input image with their cameras; none where the texture is not to come from them.

    Raises:
        ViewDistillError: They are asked for and not complete, or a file of them is damaged.
    """
    from commands.stages.requirements import require
    from datamodules.cameras import read_rgba
    from datamodules.posed_views import ViewCamera, load_views
    from viewdistill.mesh.projection import TextureView

    if wanted is False or (wanted is None and not folder.record("views").is_file()):
        return []
    meta, refined = require(folder, "views"), load_views(folder.refined_views)
    pictures = [*refined.rgba, read_rgba(folder.rgba)]
    cameras = [*refined.cameras, ViewCamera.of_input(meta)]
    weights = [1.0] * len(refined.cameras) + [input_weight]
    return [
        TextureView(rgba[:3].movedim(0, -1).numpy(), rgba[3].numpy(), camera.c2w, camera.fovy_deg, weight)
        for rgba, camera, weight in zip(pictures, cameras, weights, strict=True)
    ]


def mesh_settings(arguments: argparse.Namespace) -> MeshSettings:
    """Sizes of the mesh."""
    from viewdistill.mesh.cleaning import CleaningSettings
    from viewdistill.mesh.from_field import MeshSettings

    return MeshSettings(
        resolution=arguments.resolution,
        texture_size=arguments.texture_size,
        cleaning=CleaningSettings(face_budget=arguments.faces),
    )


def from_surface(folder: RunFolder, arguments: argparse.Namespace) -> SurfaceMesh:
    """The fitted surface with its own colours."""
    import torch

    from lightning_modules.surface import load_surface
    from viewdistill.mesh.from_surface import mesh_from_surface

    surface = load_surface(folder)
    with torch.no_grad():
        return mesh_from_surface(surface.sdf, surface.color, surface.radius, mesh_settings(arguments))


def from_field(folder: RunFolder, meta: InputMeta, arguments: argparse.Namespace) -> FieldMesh:
    """The surface of the fitted field with its own colours."""
    import torch

    from lightning_modules.radiance_field import load_field
    from viewdistill.mesh.from_field import mesh_from_field
    from viewdistill.mesh.turntable import ring

    field = load_field(folder)
    c2w = ring(OPACITY_VIEWS, meta.elevation_deg, meta.distance)
    settings = mesh_settings(arguments)
    with torch.no_grad():
        opacity = field.render_views(c2w, meta.fovy_deg, arguments.opacity_size).opacity
        return mesh_from_field(
            field.density, field.color, field.radius, c2w, meta.fovy_deg, opacity, settings, field.occupied
        )


def write(mesh: TexturedMesh, folder: RunFolder, meta: InputMeta) -> None:
    """Write the mesh as OBJ, STL and GLB, and pictures of it."""
    import numpy as np
    from PIL import Image

    from viewdistill.mesh.contact_sheet import contact_sheet
    from viewdistill.mesh.export import InputCamera, save_glb, save_obj, save_stl
    from viewdistill.mesh.turntable import write_turntable

    save_obj(mesh, folder.obj)
    save_stl(mesh, folder.stl)
    save_glb(mesh, folder.glb, InputCamera(meta.elevation_deg, meta.azimuth_deg, meta.distance, meta.fovy_deg))
    write_turntable(mesh, folder.turntable, fovy=meta.fovy_deg, distance=meta.distance)
    picture = Image.open(folder.rgba).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    contact_sheet(mesh, np.asarray(white), folder.contact_sheet, meta.elevation_deg)
