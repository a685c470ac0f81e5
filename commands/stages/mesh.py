"""`viewdistill mesh`: the fitted surface, or the fitted field, as a textured mesh."""

import argparse
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import get_args

from commands import options
from commands.arguments import add_overlays_argument, add_run_argument
from commands.stages.job import StageJob, Work, run_stage
from commands.stages.mesh_making import Exports, make_mesh, texture_views
from commands.stages.mesh_settings import BOUNDS, SHIPPED, MeshStageSettings
from commands.stages.plain_settings import read_settings
from datamodules.runs.run_folder import RunFolder
from datamodules.runs.stages import Route, Source
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


@dataclass(frozen=True, kw_only=True)
class Request:
    """Options of the subcommand; a setting that is not given is the configuration's, see `MeshStageSettings`."""

    run_folder: Path
    """The run."""
    source: Source | None = None
    """Stage to make the mesh from; the surface where it is complete, if not given."""
    config: tuple[Path, ...] = ()
    """Overlays on the shipped settings."""
    resolution: int | None = None
    """Marching-cubes nodes per axis."""
    texture_size: int | None = None
    """Side of the texture, texels."""
    faces: int | None = None
    """Budget of faces."""
    opacity_size: int | None = None
    """Side of the views that decide a field's iso-value, pixels."""
    projection: bool | None = None
    """Whether the texture comes from the input image and the refined views."""
    input_weight: float | None = None
    """Weight of the input image in the texture; a refined view has 1."""
    export: tuple[Path, ...] = ()
    """Files to write besides those of the run; the ending chooses the format."""
    up: Up | None = None
    """Axis that points up in those files; z for STL and y for the others when not given."""
    size: str | None = None
    """Longest side in those files, with its unit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_run_argument(parser, "a complete surface or field stage")
    parser.add_argument(
        "--source", choices=get_args(Source), help="stage to make the mesh from (default: surface where complete)"
    )
    add_overlays_argument(parser, SHIPPED)
    for setting, description in (
        ("resolution", "marching-cubes nodes per axis"),
        ("texture_size", "side of the texture in texels"),
        ("faces", "budget of faces"),
        ("opacity_size", "side of the views that decide a field's iso-value"),
    ):
        parser.add_argument(
            f"--{setting.replace('_', '-')}",
            type=options.Integer(*BOUNDS[setting]),
            metavar="N",
            help=f"{description} (default: the configuration's)",
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
        metavar="W",
        help="weight of the input image in the texture; a refined view has 1 (default: the configuration's)",
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
    """Resolve the settings; what they leave open depends on which stages are complete.

    Raises:
        ViewDistillError: A file cannot be exported as asked for, or a setting is wrong.
    """
    exports = Exports(request.export, request.up, request.size)
    exports.check()
    chosen = {field.name: getattr(request, field.name) for field in fields(MeshStageSettings)}
    settings = read_settings(MeshStageSettings, SHIPPED, request.config, **chosen)
    folder = RunFolder(request.run_folder)
    source = request.source or ("surface" if folder.record("surface").is_file() else "field")
    refined = settings.projection
    if refined is None:
        refined = source == "surface" and folder.record("views").is_file()
    texture = "own" if settings.projection is False else "views" if refined else "input"
    return StageJob(
        "mesh",
        folder,
        {**asdict(settings), "source": source, "projection": texture},
        lambda _: build(settings, exports, folder, source, refined),
        Route(source, projected=refined),
        tags=(f"source:{source}",),
    )


def build(settings: MeshStageSettings, exports: Exports, folder: RunFolder, source: Source, refined: bool) -> Work:
    """Read the pictures that give the texture, and return the extraction."""
    views = [] if settings.projection is False else texture_views(folder, refined, settings.input_weight)
    return partial(make_mesh, settings, exports, folder, source, views)
