"""`viewdistill evaluate`: a run, or any mesh or views of any system, scored against the truth."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewdistill.errors import ViewDistillError

if TYPE_CHECKING:
    from commands.evaluation.truth import Truth
    from datamodules.posed_views import ViewCamera
    from datamodules.run_folder import RunFolder

EPILOG = """\
examples:
  viewdistill evaluate runs/robot                          a run of one of our objects: the truth is known
  viewdistill evaluate runs/mug --gt mug.glb               a run against a mesh
  viewdistill evaluate --mesh out.ply --mesh-up z --gt gso/mario
  viewdistill evaluate --views out/ --gt renders/          any views against posed views

The truth (--gt) is a mesh; the folder of an object of Google Scanned Objects (meshes/model.obj, texture.png); or a
folder of views. It is scaled to a longest side of 1 and centred on its box unless --keep-placement; the prediction is
neither scaled nor moved, except by surface-aligned. Folders of views hold cameras.json (datamodules/view_sets.py
describes it) or SyncDreamer's 16 views, 000.png to 015.png; its strip of 16 views in one PNG is read too.

protocols: syncdreamer (16 cameras at elevation 30, 256 pixels; points that they see, one a voxel of 0.01; IoU in 64
cells cubed of [-1, 1] cubed), surface (100,000 points by area; IoU in 128 cells cubed of the box around both),
surface-aligned (surface after similarity-ICP). Intervals are over views, by the bootstrap."""

EVALUATION_FILE = "evaluation.json"
"""Name of the file with all figures."""

PROTOCOL_NAMES = ("syncdreamer", "surface", "surface-aligned")
"""Protocols of geometry, see `viewdistill.metrics.protocols`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("run_folder", type=Path, nargs="?", metavar="RUN", help="run folder, as runs/robot")
    parser.add_argument("--mesh", type=Path, metavar="FILE", help="predicted mesh of another system, in place of RUN")
    parser.add_argument("--views", type=Path, metavar="DIR", help="predicted views of another system, in place of RUN")
    parser.add_argument("--mesh-up", choices=("y", "z"), help="axis of --mesh that points up (default y)")
    parser.add_argument(
        "--gt", type=Path, metavar="PATH", help="ground truth (default: the generated object that RUN was made from)"
    )
    parser.add_argument("--object", type=int, metavar="SEED", help="ground truth: the generated object of a seed")
    parser.add_argument(
        "--gt-up", choices=("y", "z"), help="axis of a mesh given by --gt that points up (default y; GSO folders z)"
    )
    parser.add_argument(
        "--azimuth",
        type=float,
        metavar="DEG",
        help="where the input camera stands in the truth's own frame (default 0, or what the run's input says)",
    )
    parser.add_argument(
        "--keep-placement", action="store_true", help="leave a mesh given by --gt its own size and place"
    )
    parser.add_argument(
        "--protocols", nargs="+", choices=PROTOCOL_NAMES, default=PROTOCOL_NAMES, help="of geometry (default: all)"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=256,
        metavar="N",
        help="side of rendered views, pixels (default 256, the protocol's)",
    )
    parser.add_argument("--field", action="store_true", help="score renders of RUN's radiance field too (a minute)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="JSON",
        help=f"file to write (default: {EVALUATION_FILE} in RUN or beside the prediction)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Score, write ``evaluation.json`` and print the tables.

    Raises:
        ViewDistillError: A file or an option cannot be used; nothing has been written then.
    """
    check_options(arguments)

    from rich.console import Console

    from commands.evaluation.prediction import of_files, of_run
    from commands.evaluation.scores import evaluate
    from commands.evaluation.table import print_evaluation
    from datamodules.run_folder import RunFolder, write_json

    folder = RunFolder(arguments.run_folder) if arguments.run_folder else None
    truth = choose_truth(arguments, folder)
    cameras = rig_or_own(truth)
    prediction = of_run(folder, cameras, arguments) if folder else of_files(cameras, arguments)
    content = evaluate(prediction, truth, arguments.protocols)
    content["notes"] = notes(folder, truth, content)
    out = arguments.out or default_out(arguments)
    write_json(out, content)
    print_evaluation(content, Console())
    print(f"wrote {out}")


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that contradict each other.

    Raises:
        ViewDistillError: They do.
    """
    if (arguments.run_folder is None) == (arguments.mesh is None and arguments.views is None):
        raise ViewDistillError("evaluate needs what to score: either a run folder, or --mesh FILE, --views DIR or both")
    if arguments.gt is not None and arguments.object is not None:
        raise ViewDistillError("--gt and --object are two ground truths; give one")
    if arguments.run_folder is None and arguments.gt is None and arguments.object is None:
        raise ViewDistillError("evaluate needs a ground truth: --gt PATH, or --object SEED for a generated object")
    if arguments.gt is None and (arguments.gt_up or arguments.keep_placement):
        raise ViewDistillError("--gt-up and --keep-placement are for a mesh that --gt names")
    if arguments.mesh is None and arguments.mesh_up:
        raise ViewDistillError("--mesh-up is for a mesh that --mesh names; those of a run are known")
    if arguments.field and arguments.run_folder is None:
        raise ViewDistillError("--field is for a run folder")
    if not 16 <= arguments.size <= 2048:
        raise ViewDistillError(f"--size {arguments.size}: must be between 16 and 2048 pixels")
    if arguments.azimuth is not None and not math.isfinite(arguments.azimuth):
        raise ViewDistillError(f"--azimuth {arguments.azimuth:g}: must be a number of degrees")


def choose_truth(arguments: argparse.Namespace, folder: RunFolder | None) -> Truth:
    """The truth that the options name, else the object that the run was made from.

    Raises:
        ViewDistillError: There is none, or it cannot be read.
    """
    from commands.evaluation.truth import GeneratedTruth, load_truth, truth_of_run
    from commands.stages.requirements import require

    if folder is not None:
        require(folder)
    if arguments.gt is not None:
        return load_truth(arguments.gt, arguments.gt_up, arguments.azimuth or 0.0, arguments.keep_placement)
    if arguments.object is not None:
        return GeneratedTruth(arguments.object, arguments.azimuth or 0.0)
    assert folder is not None
    return truth_of_run(folder, arguments.azimuth)


def rig_or_own(truth: Truth) -> tuple[ViewCamera, ...]:
    """Cameras from which a predicted mesh is rendered: the truth's own where it is views, else SyncDreamer's."""
    from datamodules.view_sets import RIG_CAMERAS

    return truth.stored.cameras if truth.stored is not None else RIG_CAMERAS


def notes(folder: RunFolder | None, truth: Truth, content: dict[str, Any]) -> list[str]:
    """What a reader of the figures has to know besides."""
    from datamodules.run_folder import InputMeta

    found: list[str] = []
    for row in content["views"]:
        if "resized_from" in row:
            found.append(
                f"note: views of {row['of']} were resized from {row['resized_from']}² to the truth's {row['size']}²"
            )
    for row in content["geometry"]:
        if "alignment" in row:
            did = row["alignment"]
            shift = math.hypot(*did["shift"])
            found.append(
                f"note: {row['protocol']} scaled the prediction by {did['scale']:.3f}, turned it by "
                f"{did['rotation_deg']:.1f}° and moved it by {shift:.3f}"
            )
    if folder is None:
        return found
    meta = InputMeta.load(folder.input_meta)
    if any(row["protocol"] == "syncdreamer" for row in content["views"]) and abs(meta.elevation_deg - 30) > 0.1:
        found.append(f"note: the input view (elevation {meta.elevation_deg:g}°) is not one of the 16 views of the rig")
    if meta.framing == "fitted":
        found.append(
            "note: the input was cut out, scaled and centred, so that the run's world may differ from the truth's in "
            "scale and place; surface-aligned makes up for it, the other figures do not"
        )
    return found


def default_out(arguments: argparse.Namespace) -> Path:
    """In the run folder, else beside the predicted mesh, else in or beside the views."""
    if arguments.run_folder is not None:
        return arguments.run_folder / EVALUATION_FILE
    if arguments.mesh is not None:
        return arguments.mesh.parent / EVALUATION_FILE
    folder: Path = arguments.views
    return (folder if folder.is_dir() else folder.parent) / EVALUATION_FILE
