"""`viewdistill evaluate`: a run, or any mesh or views of any system, scored against the truth."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from commands import options
from commands.evaluation.prediction import of_files, of_run
from commands.evaluation.scores import evaluate
from commands.evaluation.table import print_evaluation
from commands.evaluation.truth import GeneratedTruth, Truth, load_truth, truth_of_run
from commands.requirements import require
from commands.tracking.object import track_object
from datamodules.posed_views import ViewCamera
from datamodules.runs.run_folder import EVALUATION_FILE, InputMeta, RunFolder, write_json
from datamodules.view_sets import RIG_CAMERAS
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.claims import MeshLimits
from viewdistill.mesh.loading import Up
from viewdistill.metrics.protocols import PROTOCOLS

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

protocols: syncdreamer (16 cameras at elevation 30, 256 pixels; visible points, one per voxel of 0.01; IoU in 64
cells cubed of [-1, 1] cubed), surface (100,000 points by area; IoU in 128 cells cubed of the box around both),
surface-aligned (surface after similarity-ICP). Intervals are over views, by the bootstrap."""

PROTOCOL_NAMES = tuple(PROTOCOLS)
"""Protocols of geometry, see `viewdistill.metrics.protocols`."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path | None = None
    """Run to score; None with ``mesh`` or ``views``."""
    mesh: Path | None = None
    """Predicted mesh of another system."""
    views: Path | None = None
    """Predicted views of another system."""
    mesh_up: Up | None = None
    """Up axis of ``mesh``; y when not given."""
    gt: Path | None = None
    """Ground truth: a mesh, a folder of views or of an object of Google Scanned Objects."""
    object: int | None = None
    """Ground truth: seed of a generated object."""
    gt_up: Up | None = None
    """Up axis of a mesh in ``gt``; when not given, y, or z in Google Scanned Objects."""
    azimuth: float | None = None
    """Azimuth of the input camera in the truth's own frame, degrees."""
    keep_placement: bool = False
    """Whether a mesh in ``gt`` keeps its size and place."""
    protocols: tuple[str, ...] = PROTOCOL_NAMES
    """Protocols of geometry."""
    size: int = 256
    """Side of rendered views, pixels."""
    max_faces: int = MeshLimits.faces
    """Largest number of a mesh's triangles, and of its vertices."""
    field: bool = False
    """Whether renders of the run's radiance field are scored too."""
    out: Path | None = None
    """File to write; `default_out` when not given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=options.run_folder, nargs="?", metavar="RUN", help="run folder, as runs/robot"
    )
    parser.add_argument(
        "--mesh",
        type=options.existing_file,
        metavar="FILE",
        help="predicted mesh of another system, in place of RUN",
    )
    parser.add_argument(
        "--views",
        type=options.existing_path,
        metavar="DIR",
        help="predicted views of another system, in place of RUN",
    )
    parser.add_argument("--mesh-up", choices=("y", "z"), help="axis of --mesh that points up (default y)")
    parser.add_argument(
        "--gt",
        type=options.existing_path,
        metavar="PATH",
        help="ground truth (default: the generated object that RUN was made from)",
    )
    parser.add_argument(
        "--object", type=options.SEED, metavar="SEED", help="ground truth: the generated object of a seed"
    )
    parser.add_argument(
        "--gt-up", choices=("y", "z"), help="axis of a mesh given by --gt that points up (default y; GSO folders z)"
    )
    parser.add_argument(
        "--azimuth",
        type=options.DEGREES,
        metavar="DEG",
        help="azimuth of the input camera in the truth's own frame (default 0, or that of the run's input)",
    )
    parser.add_argument("--keep-placement", action="store_true", help="keep the size and place of a mesh given by --gt")
    parser.add_argument(
        "--protocols", nargs="+", choices=PROTOCOL_NAMES, default=Request.protocols, help="of geometry (default: all)"
    )
    parser.add_argument(
        "--size",
        type=options.Integer(16, 2048),
        default=Request.size,
        metavar="N",
        help="side of rendered views, pixels (default %(default)s, the protocol's)",
    )
    parser.add_argument(
        "--max-faces",
        type=options.COUNT,
        default=Request.max_faces,
        metavar="N",
        help="largest number of triangles, and of vertices (default %(default)s; 5 million take about 2 GB)",
    )
    parser.add_argument("--field", action="store_true", help="score renders of RUN's radiance field too (a minute)")
    parser.add_argument(
        "--out",
        type=options.output_file,
        metavar="JSON",
        help=f"file to write (default: {EVALUATION_FILE} in RUN or beside the prediction)",
    )


def run(request: Request) -> None:
    """Score, write ``evaluation.json`` and print the tables.

    Raises:
        ViewDistillError: A file or an option cannot be used; nothing is written.
    """
    check_options(request)
    folder = RunFolder(request.run_folder) if request.run_folder else None
    truth = choose_truth(request, folder)
    cameras, limits = rig_or_own(truth), MeshLimits(faces=request.max_faces)
    if folder is not None:
        prediction = of_run(folder, cameras, request.size, request.field, limits)
    else:
        prediction = of_files(request.mesh, request.mesh_up or "y", request.views, cameras, request.size, limits)
    content = evaluate(prediction, truth, request.protocols)
    read = [f"note: {each}" for each in (*prediction.notes, *truth.notes)]
    content["notes"] = [*read, *notes(folder, truth, content)]
    out = request.out or default_out(request)
    write_json(out, content)
    if folder is not None and request.out is None:
        track_object(folder)
    print_evaluation(content, Console())
    print(f"wrote {out}")


def check_options(request: Request) -> None:
    """Reject contradictory options.

    Raises:
        ViewDistillError: Two options contradict each other, or one is missing.
    """
    if (request.run_folder is None) == (request.mesh is None and request.views is None):
        raise ViewDistillError("evaluate needs what to score: either a run folder, or --mesh FILE, --views DIR or both")
    if request.gt is not None and request.object is not None:
        raise ViewDistillError("--gt and --object are two ground truths; give one")
    if request.run_folder is None and request.gt is None and request.object is None:
        raise ViewDistillError("evaluate needs a ground truth: --gt PATH, or --object SEED for a generated object")
    if request.gt is None and (request.gt_up or request.keep_placement):
        raise ViewDistillError("--gt-up and --keep-placement are for a mesh that --gt names")
    if request.mesh is None and request.mesh_up:
        raise ViewDistillError("--mesh-up is for a mesh that --mesh names; those of a run are known")
    if request.field and request.run_folder is None:
        raise ViewDistillError("--field is for a run folder")


def choose_truth(request: Request, folder: RunFolder | None) -> Truth:
    """Return the truth named by the options, else the run's generated object.

    Raises:
        ViewDistillError: There is no truth, or it cannot be read.
    """
    if folder is not None:
        require(folder)
    if request.gt is not None:
        limits = MeshLimits(faces=request.max_faces)
        return load_truth(request.gt, request.gt_up, request.azimuth or 0.0, request.keep_placement, limits)
    if request.object is not None:
        return GeneratedTruth(request.object, request.azimuth or 0.0)
    assert folder is not None
    return truth_of_run(folder, request.azimuth)


def rig_or_own(truth: Truth) -> tuple[ViewCamera, ...]:
    """Return the cameras for rendering a predicted mesh: those of the truth's views, else SyncDreamer's."""
    return truth.stored.cameras if truth.stored is not None else RIG_CAMERAS


def notes(folder: RunFolder | None, truth: Truth, content: dict[str, Any]) -> list[str]:
    """Return notes on the figures."""
    found: list[str] = []
    if "scaled" in (placement := content["truth"]["placement"]):
        found.append(f"note: the ground truth was {placement}; --keep-placement leaves it as it is in its file")
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
            "scale and place; surface-aligned corrects for it, the other figures do not"
        )
    return found


def default_out(request: Request) -> Path:
    """Return the default file: in the run folder, else beside the predicted mesh, else in or beside the views."""
    if request.run_folder is not None:
        return request.run_folder / EVALUATION_FILE
    if request.mesh is not None:
        return request.mesh.parent / EVALUATION_FILE
    assert request.views is not None
    folder = request.views
    return (folder if folder.is_dir() else folder.parent) / EVALUATION_FILE
