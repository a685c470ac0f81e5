"""The README's gallery: finished runs side by side, one row per object.

    python -m experiments.reporting.gallery runs/robot runs/mug --out docs/gallery.png  # what `make gallery` ends with

A row shows the input, refined views spread around the object (where a run has any), and the mesh with its texture from
four sides. It is named by the run's folder, without the seed of a study's where that says enough; runs of one name, as
those of an ablation, by the folder above.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from commands import options
from commands.arguments import add_option
from commands.parsing import OneLineParser
from datamodules.posed_views import load_views, read_rgba
from datamodules.runs.run_folder import InputMeta, RunFolder
from experiments.script import parse_request, run_script, script_parser
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.contact_sheet import grid
from viewdistill.mesh.loading import load_mesh
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.turntable import ring
from viewdistill.pictures import over_white, resize_pixels, to_bytes, write_picture

VIEWS = 4
"""Refined views and sides of the mesh that a row shows."""


def resized(image: Float[torch.Tensor, "3 height width"], size: int) -> np.ndarray:
    """A picture as bytes [size, size, 3]."""
    return resize_pixels(to_bytes(image.movedim(0, -1)), size)


def row(folder: RunFolder, size: int) -> list[np.ndarray | None]:
    """Input, refined views and mesh of a run, each [size, size, 3].

    Raises:
        ViewDistillError: The run has no mesh, or its files are damaged.
    """
    if not folder.glb.is_file():
        raise ViewDistillError(f"{folder.root}: has no mesh yet; run `make object` for its image first")
    meta = InputMeta.load(folder.input_meta)
    pictures: list[np.ndarray | None] = [resized(over_white(read_rgba(folder.rgba)[None])[0], size)]
    if folder.record("views").is_file():
        refined = load_views(folder.refined_views)
        azimuths = torch.tensor([camera.azimuth_deg for camera in refined.cameras])
        for wanted in torch.arange(VIEWS) * (360.0 / VIEWS):
            away = ((azimuths - wanted + 180) % 360 - 180).abs()
            pictures.append(resized(refined.over_white[int(away.argmin())], size))
    else:  # a mesh straight from the field
        pictures += [None] * VIEWS
    mesh = load_mesh(folder.glb).textured
    if mesh is None:
        raise ViewDistillError(f"{folder.glb}: has no texture; run the mesh stage again")
    return [*pictures, *render_mesh(mesh, ring(VIEWS, meta.elevation_deg, meta.distance), meta.fovy_deg, size, 4).rgb]


def labels(folders: Sequence[RunFolder]) -> list[str]:
    """Return distinct names of the runs."""
    names = [folder.name for folder in folders]
    shorter = [re.sub(r"-seed\d+$", "", name) for name in names]
    above = [folder.root.absolute().parent.name for folder in folders]
    return next((each for each in (shorter, names) if len(set(each)) == len(folders)), above)


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    runs: tuple[Path, ...]
    """Folders of runs with a complete mesh stage."""
    out: Path = Path("docs/gallery.png")
    """Picture to write."""
    size: int = 128
    """Side of a picture, pixels."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("reporting.gallery", __doc__)
    parser.add_argument(
        "runs", type=options.run_folder, nargs="+", metavar="RUN", help="run folder with a complete mesh stage"
    )
    add_option(parser, "--out", options.output_file, Request.out, "PNG", "picture to write")
    add_option(parser, "--size", options.Integer(8, 2048), Request.size, "N", "side of a picture, pixels")
    return parser


def draw(request: Request) -> None:
    """Draw the gallery.

    Raises:
        ViewDistillError: A run has no mesh, or its files are damaged.
    """
    folders = [RunFolder(run) for run in request.runs]
    sides = [360 // VIEWS * index for index in range(VIEWS)]
    columns = ["input", *(f"view {side}°" for side in sides), *(f"mesh {side}°" for side in sides)]
    rows = [row(folder, request.size) for folder in folders]
    shown = [column for column in range(len(columns)) if any(pictures[column] is not None for pictures in rows)]
    sheet = grid(
        [[pictures[column] for column in shown] for pictures in rows],
        labels(folders),
        [columns[column] for column in shown],
    )
    write_picture(request.out, sheet)
    print(f"wrote {request.out}")


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the gallery; returns the exit status."""
    return run_script("gallery", lambda: draw(parse_request(build_parser(), Request, argv)))


if __name__ == "__main__":
    sys.exit(main())
