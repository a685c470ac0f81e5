"""`viewdistill examples`: the example inputs, rendered from held-out objects."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from commands import options
from datamodules.runs.run_folder import atomic_path, write_json
from viewdistill.cameras import FOVY_ZERO123
from viewdistill.input.framing import SMALLEST_SIDE as SIZE
from viewdistill.mesh.export import WORLD_TO_FILE
from viewdistill.objects.generator import generate
from viewdistill.objects.preview import poses
from viewdistill.objects.render import render
from viewdistill.objects.textured import ProceduralObject
from viewdistill.pictures import write_picture


@dataclass(frozen=True)
class Example:
    """One example input."""

    name: str
    """Stem of its files."""
    seed: int
    """Seed of the procedural object, one of the test seeds."""
    object_azimuth_deg: float
    """Azimuth of the camera in the object's own frame, degrees; a run calls it 0."""
    elevation_deg: float
    """Elevation of the camera."""


EXAMPLES = (
    Example("robot", 10_000_045, 25.0, 15.0),
    Example("mug", 10_000_305, 20.0, 20.0),
    Example("chair", 10_000_112, 30.0, 25.0),
    Example("mushroom", 10_000_018, 10.0, 10.0),
    Example("car", 10_000_147, 35.0, 20.0),
    Example("elephant", 10_000_118, 40.0, 10.0),
    Example("house", 10_000_085, 30.0, 30.0),
    Example("snowman", 10_000_042, -20.0, 5.0),
    Example("duck", 10_000_113, -40.0, 0.0),
    Example("vase", 10_000_061, 0.0, 35.0),
    Example("boat", 10_000_145, 35.0, 20.0),
    Example("lamp", 10_000_287, 0.0, 25.0),
)
"""Different families and elevations; the vase is of a free-form family."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    out: Path = Path("examples")
    """Folder to write to."""
    ground_truth: bool = False
    """Whether to write the true shapes too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "--out", type=options.output_folder, default=Request.out, metavar="DIR", help="folder to write to"
    )
    parser.add_argument(
        "--ground-truth", action="store_true", help="write the true shapes too, as NAME.glb in the frame of the run"
    )


def run(request: Request) -> None:
    """Render every example with the standard camera and describe its view in a JSON file beside it."""
    for example in EXAMPLES:
        obj = generate(example.seed)
        c2w = poses([example.object_azimuth_deg], [example.elevation_deg])
        picture = render(obj, c2w, FOVY_ZERO123, SIZE, supersample=4).rgba[0]
        write_picture(request.out / f"{example.name}.png", picture)
        description = {
            "elevation_deg": example.elevation_deg,
            "framing": "kept",
            "caption": obj.caption,
            "seed": example.seed,
            "object_azimuth_deg": example.object_azimuth_deg,
        }
        write_json(request.out / f"{example.name}.json", description)
        if request.ground_truth:
            write_ground_truth(request.out / f"{example.name}.glb", obj, example.object_azimuth_deg)
        print(f"{request.out / example.name}.png  {obj.caption}")


def write_ground_truth(path: Path, obj: ProceduralObject, azimuth: float) -> None:
    """Write the exact shape, turned so that the input camera stands at azimuth 0, +Y up."""
    angle = np.deg2rad(-azimuth)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    mesh = trimesh.Trimesh(obj.vertices @ (WORLD_TO_FILE @ turn).T, obj.faces, process=False)
    with atomic_path(path) as partial:
        mesh.export(partial, file_type="glb")
