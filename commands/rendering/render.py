"""`viewdistill render`: a video of a run from any camera path, with its frames, depth and normals."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from commands import options
from commands.arguments import add_option, add_run_argument
from commands.devices import Accelerator, add_accelerator_argument, device_of
from commands.rendering.frames import What, seen_by, write_frames
from commands.requirements import require
from datamodules.camera_paths import listed, orbit, spiral
from datamodules.posed_views import ViewCamera
from datamodules.runs.run_folder import InputMeta, RunFolder
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.video import ENDINGS, write_video

EPILOG = """\
Writes to RUN/renders/PATH unless --out names another folder: WHAT.mp4 and, in the folder WHAT, frames with alpha,
depth (16 bits, see cameras.json), normals ((n + 1) / 2, world axes), cameras.json and transforms.json, which nerfstudio
and instant-ngp read. `both` renders mesh and field, and both.mp4 shows them side by side."""

LARGEST_SIZE = 2048
"""Side of a frame at most, pixels."""

MOST_FRAMES = 1000
"""Frames at most: their names have three digits."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """Folder of the run."""
    path: str = "orbit"
    """``orbit``, ``spiral`` or a ``cameras.json``."""
    what: Literal["mesh", "field", "surface", "both"] = "mesh"
    """Subject of the render; both means mesh and field."""
    format: str = "mp4"
    """Ending of the video: mp4, webm or gif."""
    frames: int = 100
    """Frames of an orbit or a spiral."""
    fps: int = 20
    """Frames per second."""
    size: int = 256
    """Side of the frames, pixels."""
    elevation: float | None = None
    """Elevation of an orbit, degrees; that of the input camera when not given."""
    out: Path | None = None
    """Folder to write to."""
    accelerator: Accelerator = "auto"
    """Device that fields are rendered on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_run_argument(parser, "a mesh or a field")
    add_option(parser, "--path", options.text, Request.path, "PATH", "orbit, spiral or a cameras.json")
    parser.add_argument(
        "--what", choices=("mesh", "field", "surface", "both"), default=Request.what, help="default %(default)s"
    )
    parser.add_argument("--format", choices=ENDINGS, default=Request.format, help="of the video (default %(default)s)")
    counts = {"frames": options.Integer(1, MOST_FRAMES), "fps": options.Integer(1, 120)}
    counts["size"] = options.Integer(16, LARGEST_SIZE)
    helps = {"frames": "of an orbit or a spiral", "fps": "frames per second", "size": "side of the frames, even pixels"}
    for name, kind in counts.items():
        default = getattr(Request, name)
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=f"{helps[name]} (%(default)s)")
    parser.add_argument(
        "--elevation",
        type=options.Number(-90, 90, unit="degrees"),
        metavar="DEG",
        help="of an orbit (default: the input camera's)",
    )
    parser.add_argument("--out", type=options.output_folder, metavar="DIR", help="folder (default RUN/renders/PATH)")
    add_accelerator_argument(parser)


def run(request: Request) -> None:
    """Render.

    Raises:
        ViewDistillError: A stage that is rendered is not complete, the path is none, or the size is odd.
    """
    if request.size % 2:
        raise ViewDistillError(f"--size {request.size}: videos need an even size; give {request.size + 1}")
    folder = RunFolder(request.run_folder)
    subjects: tuple[What, ...] = ("mesh", "field") if request.what == "both" else (request.what,)
    meta = require(folder, *subjects)
    cameras = cameras_of(request, meta)
    out = request.out or folder.root / "renders" / (request.path if request.path in ("orbit", "spiral") else "cameras")
    device = device_of(request.accelerator)
    shown: list[list[np.ndarray]] = []
    for what in subjects:
        frames = seen_by(folder, what, cameras, request.size, device)
        shown.append(write_frames(out / what, frames, cameras))
        film(request, out / f"{what}.{request.format}", shown[-1])
    if request.what == "both":
        beside = [np.concatenate(pair, axis=1) for pair in zip(*shown, strict=True)]
        film(request, out / f"both.{request.format}", beside)


def cameras_of(request: Request, meta: InputMeta) -> tuple[ViewCamera, ...]:
    """Return the cameras of the path.

    Raises:
        ViewDistillError: The path is none, or its file is damaged or lists too many cameras.
    """
    if request.path == "orbit":
        elevation = meta.elevation_deg if request.elevation is None else request.elevation
        return orbit(request.frames, elevation, meta.distance, meta.fovy_deg)
    if request.elevation is not None:
        raise ViewDistillError("--elevation is for --path orbit")
    if request.path == "spiral":
        return spiral(request.frames, meta.distance, meta.fovy_deg)
    cameras = listed(Path(request.path))
    if len(cameras) > MOST_FRAMES:
        raise ViewDistillError(f"{request.path}: {len(cameras)} cameras; at most {MOST_FRAMES} are rendered")
    return cameras


def film(request: Request, path: Path, frames: Sequence[np.ndarray]) -> None:
    """Write the video, and say where it is."""
    height, width = frames[0].shape[:2]
    write_video(path, frames, (width, height), request.fps)
    print(f"{path}: {len(frames)} frames of {width} x {height}")
