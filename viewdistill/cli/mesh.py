"""`viewdistill mesh`: the fitted field as a textured mesh."""

import argparse
from pathlib import Path

EPILOG = (
    "The iso-value is chosen by comparing silhouettes of candidate surfaces with the opacity that the field renders."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete field stage, as runs/robot"
    )
    parser.add_argument(
        "--resolution", type=int, default=128, metavar="N", help="marching-cubes nodes an axis (default: 128)"
    )
    parser.add_argument(
        "--texture-size", type=int, default=1024, metavar="N", help="side of the texture (default: 1024)"
    )
    parser.add_argument(
        "--faces", type=int, default=20_000, metavar="N", help="face budget after decimation (default: 20000)"
    )
    parser.add_argument(
        "--opacity-size", type=int, default=96, metavar="N", help="side of the opacity views (default: 96)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Extract, clean, unwrap, bake and write the mesh, then film it.

    Raises:
        ViewDistillError: The field stage is missing, or its field is empty.
    """
    import numpy as np
    import torch
    from lightning_modules.radiance_field import load_field
    from PIL import Image

    from datamodules.run_folder import InputMeta, RunFolder
    from datamodules.stage_record import record_stage
    from viewdistill.errors import ViewDistillError
    from viewdistill.mesh.cleaning import CleaningSettings
    from viewdistill.mesh.contact_sheet import contact_sheet
    from viewdistill.mesh.export import InputCamera, save_glb, save_obj
    from viewdistill.mesh.from_field import MeshSettings, mesh_from_field
    from viewdistill.mesh.turntable import ring, write_turntable

    if min(arguments.resolution, arguments.texture_size, arguments.faces, arguments.opacity_size) < 8:
        raise ViewDistillError("--resolution, --texture-size, --faces and --opacity-size must be at least 8")
    folder = RunFolder(arguments.run_folder)
    if not folder.record("field").is_file():
        raise ViewDistillError(f"{folder.root}: no complete field stage here; run `viewdistill field {folder.root}`")
    meta = InputMeta.load(folder.input_meta)
    settings = MeshSettings(
        resolution=arguments.resolution,
        texture_size=arguments.texture_size,
        cleaning=CleaningSettings(face_budget=arguments.faces),
    )
    with record_stage(folder.stage("mesh"), "mesh") as figures:
        field = load_field(folder)
        c2w = ring(8, meta.elevation_deg, meta.distance)
        with torch.no_grad():
            opacity = field.render_views(c2w, meta.fovy_deg, arguments.opacity_size).opacity
        result = mesh_from_field(
            field.density, field.color, field.radius, c2w, meta.fovy_deg, opacity, settings, field.occupied
        )
        camera = InputCamera(meta.elevation_deg, meta.azimuth_deg, meta.distance, meta.fovy_deg)
        save_obj(result.mesh, folder.obj)
        save_glb(result.mesh, folder.glb, camera)
        write_turntable(result.mesh, folder.turntable, fovy=meta.fovy_deg, distance=meta.distance)
        picture = Image.open(folder.rgba).convert("RGBA")
        white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        contact_sheet(result.mesh, np.asarray(white), folder.contact_sheet, meta.elevation_deg)
        figures["vertices"], figures["faces"] = len(result.mesh.vertices), len(result.mesh.faces)
        figures["iso_value"] = float(result.sweep.chosen.value)
