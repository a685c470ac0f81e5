"""`viewdistill input`: an image to ``input/rgba.png`` and ``input/meta.json``."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from commands import options
from commands.stages.input_choices import choose_class_word, choose_elevation, read_known_view
from commands.stages.job import StageJob, Work, run_stage
from commands.tracking.stage import option_settings
from datamodules.run_folder import InputMeta, RunFolder, atomic_path
from datamodules.stages import Route
from viewdistill import resources
from viewdistill.input_image import fit_framing, keep_framing, load_cut_out

SIZE = 256
"""Side of the framed image, pixels: Zero-1-to-3's own."""

EPILOG = """\
A JSON file beside the image may say elevation_deg, framing ("fitted" or "kept") and caption, as examples/robot.json
does. What neither it nor an option says is estimated with the priors, which are only loaded for that; where an
estimate is not clear, the elevation is 0 and the class word "object". meta.json keeps every choice and its source."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    image: Path
    """Image of an object."""
    out: Path
    """Run folder to write to."""
    mask: Path | None = None
    """Image of the same size, the object white."""
    elevation: float | None = None
    """Elevation of the camera, degrees."""
    estimate_elevation: bool | None = None
    """Whether to estimate the elevation; where nothing says one, if not given."""
    class_word: str | None = None
    """What the object is."""
    keep_framing: bool | None = None
    """Whether to leave the object where the camera saw it; as the description beside the image says, if not given."""
    view_prior: Path = resources.NANO_PRIORS / "zero123"
    """View-conditioned prior, which estimates the elevation."""
    text_prior: Path = resources.NANO_PRIORS / "stable-diffusion"
    """Text-conditioned prior, which chooses the class word."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("image", type=options.path, metavar="IMG", help="image of an object (PNG, JPEG, WebP, TIFF, …)")
    parser.add_argument(
        "--out", type=options.output_folder, required=True, metavar="RUN", help="run folder to write to, as runs/robot"
    )
    parser.add_argument(
        "--mask",
        type=options.path,
        metavar="PNG",
        help="image of the same size, the object white (default: IMG's alpha channel, else matting)",
    )
    parser.add_argument(
        "--elevation",
        type=float,
        metavar="DEG",
        help="elevation of the camera, -90 to 90 degrees (default: from IMG's .json, else estimated)",
    )
    parser.add_argument(
        "--estimate-elevation",
        action=argparse.BooleanOptionalAction,
        help="estimate the elevation even where IMG's .json says one, or not even where nothing does (then it is 0)",
    )
    parser.add_argument(
        "--class-word",
        metavar="NOUN",
        help="what the object is, as mug (default: from the caption in IMG's .json, else the text prior's choice)",
    )
    parser.add_argument(
        "--keep-framing",
        action=argparse.BooleanOptionalAction,
        help="leave the object where the camera saw it, for images of the standard camera "
        "(fov 49.134 degrees, distance 1.5), instead of scaling and centring it",
    )
    for option, folder, use in (
        ("--view-prior", "zero123", "estimates the elevation"),
        ("--text-prior", "stable-diffusion", "chooses the class word"),
    ):
        parser.add_argument(
            option,
            type=options.path,
            default=resources.NANO_PRIORS / folder,
            metavar="DIR",
            help=f"prior that {use} (default priors/nano/{folder})",
        )


def run(request: Request) -> None:
    """Cut the object out, frame it, and write it with its camera and its class word.

    Raises:
        ViewDistillError: The image, its mask or an option cannot be used; nothing has been written then.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Describe the stage."""
    folder, beside = RunFolder(request.out), request.image.with_suffix(".json")
    sampled = request.image.absolute() == folder.picture.absolute()
    # The files themselves decide, whatever they are called.
    settings = {name: value for name, value in option_settings(request).items() if name not in ("image", "mask", "out")}
    return StageJob(
        "input",
        folder,
        settings,
        lambda _: build(request, folder),
        Route(words=sampled),
        required=(),
        files={"image": request.image, "description": beside, "mask": request.mask},
    )


def build(request: Request, folder: RunFolder) -> Work:
    """Cut the object out and choose what is not said, and return the writing."""
    cut_out = load_cut_out(request.image, request.mask)
    known = read_known_view(request.image.with_suffix(".json"))
    keep = known.framing == "kept" if request.keep_framing is None else request.keep_framing
    framed = keep_framing(cut_out.rgba, SIZE) if keep else fit_framing(cut_out.rgba, SIZE)
    elevation = choose_elevation(request, known, framed)  # pyright: ignore[reportArgumentType]
    class_word = choose_class_word(request, known, framed)  # pyright: ignore[reportArgumentType]
    meta = InputMeta(
        name=folder.name,
        elevation_deg=elevation.degrees,
        framing="kept" if keep else "fitted",
        source=str(request.image),
        caption=known.caption,
        class_word=class_word.word,
        seed=known.seed,
        mask_source=cut_out.mask_source,
        elevation_source=elevation.source,
        elevation_margin=elevation.margin,
        class_word_source=class_word.source,
        class_word_margin=class_word.margin,
    )
    return partial(write, folder, framed, meta)


def write(folder: RunFolder, framed: UInt8[np.ndarray, "size size 4"], meta: InputMeta) -> Mapping[str, Any]:
    """Write the framed image and what is known about it."""
    with atomic_path(folder.rgba) as partial_image:
        Image.fromarray(framed).save(partial_image)
    meta.save(folder.input_meta)
    return {
        "elevation_deg": meta.elevation_deg,
        "framing": meta.framing,
        "class_word": meta.class_word,
        "mask_source": meta.mask_source,
    }
