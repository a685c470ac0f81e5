"""`viewdistill mesh`: the fitted surface, or the fitted field, as a textured mesh."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from commands.stages.mesh_making import INPUT_WEIGHT, MeshOptions, Source, make_mesh, texture_views
from commands.stages.requirements import require
from commands.tracking.stage import track_stage
from datamodules.run_folder import RunFolder
from datamodules.stage_record import record_stage
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.export import FORMATS, Up

EPILOG = """\
The surface is the zero level of its signed distance; of a field, the iso-value is chosen by comparing silhouettes of
candidate surfaces with the opacity that the field renders. The texture is projected from the input image and, where the
views stage is complete, from the refined views; what none of them sees keeps the colour of the surface or field.
The run's GLB and OBJ have +Y up and the front towards +Z, with a longest side of about 1; its STL has +Z up and is in
millimetres, 100 mm long. --export writes more files, in axes and a unit of your choice:
  viewdistill mesh runs/robot --export robot.stl --size 60mm
  viewdistill mesh runs/robot --export robot.obj cloud.ply --up z --size 0.1m"""


@dataclass(frozen=True, kw_only=True)
class Request(MeshOptions):
    """Options of the subcommand."""

    run_folder: Path
    """The run."""
    source: Source | None = None
    """Stage to make the mesh from; the surface where it is complete, if not given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete surface or field stage"
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
        parser.add_argument(option, type=int, default=default, metavar="N", help=f"{description} (default {default})")
    parser.add_argument(
        "--projection",
        action=argparse.BooleanOptionalAction,
        help="texture from the input image and the refined views (default: from those that are complete)",
    )
    parser.add_argument(
        "--input-weight",
        type=float,
        default=INPUT_WEIGHT,
        metavar="W",
        help=f"weight of the input image in the texture; a refined view has 1 (default {INPUT_WEIGHT:g})",
    )
    parser.add_argument(
        "--export",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE",
        help=f"more files to write; the ending chooses the format ({', '.join(FORMATS)}; PLY is a cloud of points)",
    )
    parser.add_argument("--up", choices=get_args(Up), help="axis up in exported files (default: z for STL, else y)")
    parser.add_argument(
        "--size", metavar="LENGTH", help="longest side in exported files, with its unit, as 0.1m or 60mm"
    )


def run(request: Request) -> None:
    """Extract, clean, unwrap, bake and write the mesh, then film it.

    Raises:
        ViewDistillError: A stage that is needed is missing, or its surface or field is empty.
    """
    if min(request.resolution, request.texture_size, request.faces, request.opacity_size) < 8:
        raise ViewDistillError("--resolution, --texture-size, --faces and --opacity-size must be at least 8")
    if not 0 <= request.input_weight < float("inf"):
        raise ViewDistillError(f"--input-weight {request.input_weight:g}: must be a number from 0 on")
    request.check()
    folder = RunFolder(request.run_folder)
    source = request.source or ("surface" if folder.record("surface").is_file() else "field")
    require(folder, source)
    refined = folder.record("views").is_file() if request.projection is None else request.projection
    views = [] if request.projection is False else texture_views(folder, refined, request.input_weight)
    with record_stage(folder.stage("mesh"), "mesh") as figures:
        figures.update(make_mesh(request, folder, source, views))
    uses = ("input", source, *(("views",) if refined else ()))
    settings = {name: value for name, value in vars(request).items() if name not in ("run_folder", "export")}
    track_stage(folder, "mesh", uses, settings, tags=(f"source:{source}",))
