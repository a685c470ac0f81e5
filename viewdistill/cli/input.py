"""`viewdistill input`: an image to ``input/rgba.png`` and ``input/meta.json``."""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

from viewdistill.errors import ViewDistillError

SIZE = 256
"""Side of the framed image, pixels: Zero-1-to-3's own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "image", type=Path, metavar="IMG", help="image with a transparent background (RGBA PNG, WebP, …)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder to write to, as runs/robot")
    parser.add_argument(
        "--elevation",
        type=float,
        metavar="DEG",
        help="elevation of the camera that took the image, -90 to 90 degrees (default: from IMG's .json, else 0)",
    )
    parser.add_argument(
        "--keep-framing",
        action=argparse.BooleanOptionalAction,
        help="leave the object where the camera saw it, for images of the standard camera "
        "(fov 49.134 degrees, distance 1.5), instead of scaling and centring it",
    )


@dataclass(frozen=True)
class KnownView:
    """What a JSON file beside an image says about it (as ``examples/robot.json`` does); all of it optional."""

    elevation_deg: float = 0.0
    framing: str = "fitted"
    caption: str = ""
    seed: int | None = None


def run(arguments: argparse.Namespace) -> None:
    """Frame the image and write it with its camera.

    Raises:
        ViewDistillError: The image or the elevation cannot be used; nothing has been written then.
    """
    from PIL import Image

    from datamodules.run_folder import InputMeta, RunFolder, atomic_path
    from datamodules.stage_record import record_stage
    from viewdistill.input_image import fit_framing, keep_framing, load_rgba

    rgba = load_rgba(arguments.image)
    known = read_known_view(arguments.image.with_suffix(".json"))
    elevation = known.elevation_deg if arguments.elevation is None else arguments.elevation
    if not math.isfinite(elevation) or abs(elevation) > 90:
        raise ViewDistillError(f"elevation {elevation:g}: must be between -90 and 90 degrees")
    keep = known.framing == "kept" if arguments.keep_framing is None else arguments.keep_framing
    framed = keep_framing(rgba, SIZE) if keep else fit_framing(rgba, SIZE)

    folder = RunFolder(arguments.out)
    meta = InputMeta(
        name=folder.name,
        elevation_deg=elevation,
        framing="kept" if keep else "fitted",
        source=str(arguments.image),
        caption=known.caption,
        seed=known.seed,
    )
    with record_stage(folder.stage("input"), "input") as figures:
        with atomic_path(folder.rgba) as partial:
            Image.fromarray(framed).save(partial)
        meta.save(folder.input_meta)
        figures["elevation_deg"], figures["framing"] = elevation, meta.framing


def read_known_view(path: Path) -> KnownView:
    """Read the description beside an image; a JSON file that is none of ours counts as absent.

    Raises:
        ViewDistillError: The file has our keys with values that cannot be meant.
    """
    from datamodules.run_folder import read_json

    if not path.is_file():
        return KnownView()
    content = read_json(path)
    if not isinstance(content, dict) or not ({"elevation_deg", "framing"} & set(content)):
        return KnownView()
    elevation, framing = content.get("elevation_deg", 0.0), content.get("framing", "fitted")
    if not isinstance(elevation, int | float) or framing not in ("fitted", "kept"):
        raise ViewDistillError(f'{path}: elevation_deg must be a number and framing "fitted" or "kept"')
    seed = content.get("seed")
    return KnownView(
        elevation_deg=float(elevation),
        framing=framing,
        caption=str(content.get("caption", "")),
        seed=seed if isinstance(seed, int) else None,
    )
