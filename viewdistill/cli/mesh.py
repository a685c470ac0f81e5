"""`viewdistill mesh`: the fitted field as a textured mesh."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamodules.run_folder import InputMeta, RunFolder
    from viewdistill.mesh.from_field import FieldMesh
    from viewdistill.mesh.textured_mesh import TexturedMesh

EPILOG = (
    "The iso-value is chosen by comparing silhouettes of candidate surfaces with the opacity that the field renders."
)

OPACITY_VIEWS = 8
"""Views around the field whose silhouettes decide the iso-value."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run folder with a complete field stage")
    for option, default, description in (
        ("--resolution", 128, "marching-cubes nodes an axis"),
        ("--texture-size", 1024, "side of the texture in texels"),
        ("--faces", 20_000, "budget of faces"),
        ("--opacity-size", 96, "side of the views that decide the iso-value"),
    ):
        parser.add_argument(option, type=int, default=default, metavar="N", help=f"{description} (default {default})")


def run(arguments: argparse.Namespace) -> None:
    """Extract, clean, unwrap, bake and write the mesh, then film it.

    Raises:
        ViewDistillError: The field stage is missing, or its field is empty.
    """
    from datamodules.run_folder import InputMeta, RunFolder
    from datamodules.stage_record import record_stage
    from viewdistill.errors import ViewDistillError

    if min(arguments.resolution, arguments.texture_size, arguments.faces, arguments.opacity_size) < 8:
        raise ViewDistillError("--resolution, --texture-size, --faces and --opacity-size must be at least 8")
    folder = RunFolder(arguments.run_folder)
    if not folder.record("field").is_file():
        raise ViewDistillError(f"{folder.root}: no complete field stage here; run `viewdistill field {folder.root}`")
    meta = InputMeta.load(folder.input_meta)
    with record_stage(folder.stage("mesh"), "mesh") as figures:
        result = extract(folder, meta, arguments)
        write(result.mesh, folder, meta)
        figures["vertices"], figures["faces"] = len(result.mesh.vertices), len(result.mesh.faces)
        figures["iso_value"], figures["watertight"] = float(result.sweep.chosen.value), result.cleaning.watertight


def extract(folder: RunFolder, meta: InputMeta, arguments: argparse.Namespace) -> FieldMesh:
    """The textured surface of the fitted field."""
    import torch

    from lightning_modules.radiance_field import load_field
    from viewdistill.mesh.cleaning import CleaningSettings
    from viewdistill.mesh.from_field import MeshSettings, mesh_from_field
    from viewdistill.mesh.turntable import ring

    settings = MeshSettings(
        resolution=arguments.resolution,
        texture_size=arguments.texture_size,
        cleaning=CleaningSettings(face_budget=arguments.faces),
    )
    field = load_field(folder)
    c2w = ring(OPACITY_VIEWS, meta.elevation_deg, meta.distance)
    with torch.no_grad():
        opacity = field.render_views(c2w, meta.fovy_deg, arguments.opacity_size).opacity
        return mesh_from_field(
            field.density, field.color, field.radius, c2w, meta.fovy_deg, opacity, settings, field.occupied
        )


def write(mesh: TexturedMesh, folder: RunFolder, meta: InputMeta) -> None:
    """Write the mesh as OBJ and GLB, and pictures of it."""
    import numpy as np
    from PIL import Image

    from viewdistill.mesh.contact_sheet import contact_sheet
    from viewdistill.mesh.export import InputCamera, save_glb, save_obj
    from viewdistill.mesh.turntable import write_turntable

    save_obj(mesh, folder.obj)
    save_glb(mesh, folder.glb, InputCamera(meta.elevation_deg, meta.azimuth_deg, meta.distance, meta.fovy_deg))
    write_turntable(mesh, folder.turntable, fovy=meta.fovy_deg, distance=meta.distance)
    picture = Image.open(folder.rgba).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    contact_sheet(mesh, np.asarray(white), folder.contact_sheet, meta.elevation_deg)
