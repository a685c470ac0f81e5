"""`viewdistill mesh`: the fitted surface, or the fitted field, as a textured mesh."""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from commands import options
from commands.stages.job import StageJob, Work, run_stage
from commands.stages.mesh_making import INPUT_WEIGHT, MeshOptions, make_mesh, texture_views
from commands.tracking.stage import option_settings
from datamodules.run_folder import RunFolder
from datamodules.stages import Route, Source
from viewdistill.mesh.export import FORMATS, Up

EPILOG = """\
The surface is the zero level of its signed distance; of a field, the iso-value is chosen by comparing silhouettes of
candidate surfaces with the opacity that the field renders. The texture is projected from the input image and, of a
surface whose views stage is complete, from the refined views; what none of them sees keeps the colour of the surface
or field.
The run's GLB and OBJ have +Y up and the front towards +Z, with a longest side of about 1; its STL has +Z up and is in
millimetres, 100 mm long. --export writes more files, in axes and a unit of your choice:
  viewdistill mesh runs/robot --export robot.stl --size 60mm
  viewdistill mesh runs/robot --export robot.obj cloud.ply --up z --size 0.1m"""

NO_SETTINGS = ("run_folder", "export", "up", "size")
"""Options that do not change the run's own files."""


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
        "run_folder", type=options.run_folder, metavar="RUN", help="run folder with a complete surface or field stage"
    )
    parser.add_argument(
        "--source", choices=get_args(Source), help="stage to make the mesh from (default: surface where complete)"
    )
    for option, default, high, description in (
        ("--resolution", 128, 2048, "marching-cubes nodes per axis"),
        ("--texture-size", 1024, 16384, "side of the texture in texels"),
        ("--faces", 20_000, 10**8, "budget of faces"),
        ("--opacity-size", 96, 4096, "side of the views that decide a field's iso-value"),
    ):
        parser.add_argument(
            option,
            type=options.Integer(8, high),
            default=default,
            metavar="N",
            help=f"{description} (default {default})",
        )
    parser.add_argument(
        "--projection",
        action=argparse.BooleanOptionalAction,
        help="texture from the input image and the refined views; --no-projection: from neither (default: the input "
        "image, and of a surface the refined views where they are complete)",
    )
    parser.add_argument(
        "--input-weight",
        type=options.Number(low=0.0),
        default=INPUT_WEIGHT,
        metavar="W",
        help=f"weight of the input image in the texture; a refined view has 1 (default {INPUT_WEIGHT:g})",
    )
    parser.add_argument(
        "--export",
        type=options.output_file,
        nargs="+",
        default=(),
        metavar="FILE",
        help=f"more files to write; the ending chooses the format ({', '.join(FORMATS)}; PLY is a cloud of points)",
    )
    parser.add_argument("--up", choices=get_args(Up), help="axis up in exported files (default: z for STL, else y)")
    parser.add_argument(
        "--size", type=options.text, metavar="LENGTH", help="longest side in exported files, with its unit: 0.1m, 60mm"
    )


def run(request: Request) -> None:
    """Extract, clean, unwrap, bake and write the mesh, then film it.

    Raises:
        ViewDistillError: A stage that is needed is missing, or its surface or field is empty.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Describe the stage; what the options leave open depends on which stages are complete.

    Raises:
        ViewDistillError: A file cannot be exported as asked for.
    """
    request.check()
    folder = RunFolder(request.run_folder)
    source = request.source or ("surface" if folder.record("surface").is_file() else "field")
    refined = request.projection
    if refined is None:
        refined = source == "surface" and folder.record("views").is_file()
    settings: dict[str, Any] = option_settings(request)
    settings = {name: value for name, value in settings.items() if name not in NO_SETTINGS}
    texture = "own" if request.projection is False else "views" if refined else "input"
    return StageJob(
        "mesh",
        folder,
        {**settings, "source": source, "projection": texture},
        lambda _: build(request, folder, source, refined),
        Route(source, projected=refined),
        tags=(f"source:{source}",),
    )


def build(request: Request, folder: RunFolder, source: Source, refined: bool) -> Work:
    """Read the pictures that give the texture, and return the extraction."""
    views = [] if request.projection is False else texture_views(folder, refined, request.input_weight)
    return partial(make_mesh, request, folder, source, views)
