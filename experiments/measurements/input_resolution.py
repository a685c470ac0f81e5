"""What the input's own pixels are worth: one mesh with its texture from the input at 256 pixels and at its native size.

    python -m experiments.measurements.input_resolution runs/robot --out docs/input-resolution.png

The run's object, which must be one of the generator's, is rendered from the input's camera at 1,024 pixels. Two copies
of the run take this picture as their input: as it is, and reduced to Zero-1-to-3's 256 pixels. The mesh stage then
makes both meshes from the same surface (or field). The script prints the PSNR of their fronts against the picture, of
all pixels and of those that object and mesh both cover, where the outline takes no part; and draws the part with the
strongest edges within the object: the picture and both meshes, and in front of them the object as a whole.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from commands import options
from commands.arguments import add_option
from commands.evaluation.truth import SUPERSAMPLE, GeneratedTruth, truth_of_run
from commands.main import main as viewdistill
from commands.parsing import OneLineParser
from datamodules.posed_views import ViewCamera
from datamodules.runs.run_folder import InputMeta, RunFolder, write_json
from experiments.script import parse_request, run_script, script_parser
from viewdistill.errors import ViewDistillError
from viewdistill.input.framing import LARGEST_SIDE, SMALLEST_SIDE
from viewdistill.mesh.contact_sheet import grid
from viewdistill.mesh.loading import load_mesh
from viewdistill.mesh.projection import COVERED
from viewdistill.mesh.raster import MeshViews, render_mesh
from viewdistill.metrics.images import psnr
from viewdistill.objects.render import render
from viewdistill.pictures import over_white, resize_pixels, to_bytes, to_tensor, write_picture

CLOSE_UP = 0.25
"""Side of the part that is drawn, as a share of the picture's."""

READ = ("field", "surface", "views")
"""Stages that a mesh is made from, where a run has them."""


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    run: Path
    """Run of a generated object with a complete surface or field."""
    out: Path = Path("docs/input-resolution.png")
    """Picture to write."""
    work: Path = Path("runs/input-resolution")
    """Folder of the copies and of ``input_resolution.json``."""
    azimuth: float | None = None
    """Where the input camera stands in the object's own frame, degrees."""
    side: int = LARGEST_SIDE
    """Side of the native picture, pixels."""
    mesh: Path | None = None
    """Overlay on the settings of the mesh stage."""
    drawn: int = 192
    """Side of a drawn picture, pixels."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("measurements.input_resolution", __doc__)
    parser.add_argument(
        "run", type=options.run_folder, metavar="RUN", help="run of a generated object, to its surface or field"
    )
    add_option(parser, "--out", options.output_file, Request.out, "PNG", "picture to write")
    add_option(parser, "--work", options.output_folder, Request.work, "DIR", "folder of the copies")
    parser.add_argument(
        "--azimuth",
        type=options.Number(-360, 360),
        metavar="DEG",
        help="where the input camera stands in the object's own frame (default: what the file beside the input says)",
    )
    sides = options.Integer(SMALLEST_SIDE, LARGEST_SIDE)
    add_option(parser, "--side", sides, Request.side, "N", "side of the native picture")
    parser.add_argument(
        "--mesh", type=options.existing_file, metavar="YAML", help="overlay on the settings of the mesh stage"
    )
    add_option(parser, "--drawn", options.Integer(16, 1024), Request.drawn, "N", "side of a drawn picture")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    return run_script("input_resolution", lambda: run(parse_request(build_parser(), Request, argv)))


def run(request: Request) -> None:
    """Make both meshes, print how near they come to the picture, and draw them.

    Raises:
        ViewDistillError: The run shows no generated object, or a stage failed.
    """
    folder = RunFolder(request.run)
    truth, camera = truth_of_run(folder, request.azimuth), ViewCamera.of_input(InputMeta.load(folder.input_meta))
    native = picture(truth, camera, request.side)
    fronts = {
        side: front(copied(request, resize_pixels(native, side)), camera, request.side)
        for side in (SMALLEST_SIDE, request.side)
    }
    scores = {side: score(native, view) for side, view in fronts.items()}
    for side, (whole, covered) in scores.items():
        print(f"input of {side} pixels: front {whole:.2f} dB, where both cover {covered:.2f} dB")
    named = {side: {"psnr_db": whole, "covered_psnr_db": covered} for side, (whole, covered) in scores.items()}
    write_json(request.work / "input_resolution.json", {"side": request.side, "inputs": named})
    write_picture(request.out, drawing(native, fronts, scores, request.drawn))
    print(request.out)


def picture(truth: GeneratedTruth, camera: ViewCamera, side: int) -> UInt8[np.ndarray, "side side 4"]:
    """The object from the input's camera, with straight alpha."""
    turned = ViewCamera(**asdict(camera) | {"azimuth_deg": camera.azimuth_deg + truth.azimuth})
    return render(truth.obj, turned.c2w[None].double().numpy(), camera.fovy_deg, side, SUPERSAMPLE).rgba[0]


def copied(request: Request, rgba: UInt8[np.ndarray, "side side 4"]) -> RunFolder:
    """A copy of the run with another input picture, up to a mesh of it.

    Raises:
        ViewDistillError: A stage failed; it has said why.
    """
    source, side = RunFolder(request.run), rgba.shape[0]
    folder = RunFolder(request.work / f"input-{side}")
    shutil.rmtree(folder.root, ignore_errors=True)
    for stage in READ:
        if source.record(stage).is_file():
            shutil.copytree(source.stage(stage), folder.stage(stage))
    image, meta = request.work / f"input-{side}.png", InputMeta.load(source.input_meta)
    write_picture(image, rgba)
    overlay = [] if request.mesh is None else [f"--config={request.mesh}"]
    known = [f"--elevation={meta.elevation_deg}", "--keep-framing", "--class-word=object"]
    for words in (["input", str(image), f"--out={folder.root}", *known], ["mesh", str(folder.root), *overlay]):
        if viewdistill(words) != 0:
            raise ViewDistillError(f"{folder.root}: {words[0]} failed; its message is above")
    return folder


def front(folder: RunFolder, camera: ViewCamera, side: int) -> MeshViews:
    """A mesh as the input's camera sees it."""
    mesh = load_mesh(folder.glb).textured
    assert mesh is not None, folder.glb
    return render_mesh(mesh, camera.c2w[None], camera.fovy_deg, side, SUPERSAMPLE)


def score(native: UInt8[np.ndarray, "side side 4"], view: MeshViews) -> tuple[float, float]:
    """PSNR of a mesh's front, dB: of the whole picture over white, and of the pixels that it and the object cover."""
    target, rendered = over_white(to_tensor(native[None])), torch.from_numpy(view.rgb).movedim(-1, 1)
    covered = torch.from_numpy((native[..., 3] == 255) & (view.alpha[0] > COVERED))
    pixels = [image[:, :, covered][..., None] for image in (rendered, target)]
    return float(psnr(rendered, target)[0]), float(psnr(*pixels)[0])


def drawing(
    native: UInt8[np.ndarray, "side side 4"],
    fronts: Mapping[int, MeshViews],
    scores: Mapping[int, tuple[float, float]],
    size: int,
) -> UInt8[np.ndarray, "h w 3"]:
    """The whole picture, then the close-up of it and of the meshes' fronts."""
    target = to_bytes(over_white(to_tensor(native[None]))[0].movedim(0, -1))
    close = most_detailed(native, round(CLOSE_UP * len(native)))
    images = (target, *(to_bytes(view.rgb[0]) for view in fronts.values()))
    labels = [f"mesh, {side} px: {covered:.1f} dB" for side, (_, covered) in scores.items()]
    parts = [resize_pixels(np.ascontiguousarray(image[close]), size) for image in images]
    return grid([[resize_pixels(target, size), *parts]], column_labels=["the object", "close-up", *labels])


def most_detailed(native: UInt8[np.ndarray, "side side 4"], width: int) -> tuple[slice, slice]:
    """Rows and columns of the square with the strongest differences between neighbouring pixels of the object."""
    rgba = to_tensor(native[None])
    edges = sum((rgba[:, :3] - rgba[:, :3].roll(1, axis)).abs().mean(1) for axis in (-1, -2))
    inside = -torch.nn.functional.max_pool2d(-(rgba[:, 3] == 1).float(), 5, stride=1, padding=2)
    sums = torch.nn.functional.avg_pool2d((edges * inside)[:, None], width, stride=8)[0, 0]
    row, column = divmod(int(sums.argmax()), sums.shape[1])
    return slice(8 * row, 8 * row + width), slice(8 * column, 8 * column + width)


if __name__ == "__main__":
    sys.exit(main())
