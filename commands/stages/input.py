"""`viewdistill input`: an image to ``input/rgba.png`` and ``input/meta.json``."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from commands import options
from commands.arguments import add_overlays_argument
from commands.inputs.input_choices import (
    ElevationChoice,
    checked_class_word,
    choose_class_word,
    choose_elevation,
    read_known_view,
)
from commands.inputs.input_settings import SHIPPED, InputSettings
from commands.inputs.reference_pictures import (
    HELP,
    FramedReference,
    ReferencePicture,
    framed_reference,
    reference_picture,
    write_references,
)
from commands.stages.job import StageJob, Work, run_stage
from commands.stages.plain_settings import read_settings
from commands.tracking.stage import option_settings
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.runs.stages import Route
from viewdistill.input.cut_out import load_cut_out
from viewdistill.input.framing import fit_framing, keep_framing, native_side
from viewdistill.pictures import write_picture

EPILOG = f"""\
A JSON file beside the image may say elevation_deg, framing ("fitted" or "kept") and caption, as examples/robot.json
does. What neither it nor an option says is estimated with the priors of {SHIPPED}, which are only loaded for
that; where the class word is not clear, it is "object". meta.json keeps every choice and its source, and what was
noticed about the image, which is printed too."""

NO_SETTINGS = ("image", "mask", "out", "references")
"""Options that name files and folders: what these hold decides, and not what they are called."""


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
    """Whether to estimate it always or never; None: unless the description beside the image gives it."""
    class_word: str | None = None
    """What the object is."""
    references: tuple[ReferencePicture, ...] = ()
    """Further pictures of the object."""
    keep_framing: bool | None = None
    """Whether the object keeps its place in the picture; None: as in the description beside the image, else not."""
    config: tuple[Path, ...] = ()
    """Overlays on the shipped settings."""
    view_prior: str | None = None
    """Prior that estimates the elevation; none: the configuration's."""
    text_prior: str | None = None
    """Prior that chooses the class word; none: the configuration's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("image", type=options.path, metavar="IMG", help="image of an object (PNG, JPEG, WebP, TIFF, …)")
    parser.add_argument(
        "--out", type=options.output_folder, required=True, metavar="RUN", help="run folder to write to, as runs/robot"
    )
    parser.add_argument(
        "--mask",
        "--matte",
        type=options.path,
        metavar="PNG",
        help="image of the same size, the object white; comes before all else (default: IMG's alpha channel, else what "
        "stands out from a plain background, else an object in the middle of the photograph)",
    )
    parser.add_argument(
        "--elevation",
        type=options.Number(-90.0, 90.0, unit="degrees"),
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
        type=options.text,
        metavar="NOUN",
        help="what the object is, as mug (default: from the caption in IMG's .json, else a prior's choice)",
    )
    parser.add_argument(
        "--reference", dest="references", action="append", default=[], type=reference_picture, metavar="PICTURE:AZ,EL",
        help=HELP,
    )  # fmt: skip
    parser.add_argument(
        "--keep-framing",
        action=argparse.BooleanOptionalAction,
        help="leave the object where the camera saw it, for images of the standard camera "
        "(fov 49.134 degrees, distance 1.5), instead of scaling and centring it; references likewise",
    )
    add_overlays_argument(parser, SHIPPED)
    for option, use in (("--view-prior", "estimates the elevation"), ("--text-prior", "chooses the class word")):
        parser.add_argument(
            option, type=options.text, metavar="DIR", help=f"prior that {use} (default: the configuration's)"
        )


def run(request: Request) -> None:
    """Cut the object out, frame it, and write it with its camera and its class word.

    Raises:
        ViewDistillError: The image, its mask or an option cannot be used; nothing has been written then.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: An option or a setting is wrong.
    """
    if request.class_word is not None:
        checked_class_word(request.class_word)
    priors = {"view_prior": request.view_prior, "text_prior": request.text_prior}
    settings = read_settings(InputSettings, SHIPPED, request.config, **priors)
    folder = RunFolder(request.out)
    chosen = {name: value for name, value in option_settings(request).items() if name not in NO_SETTINGS}
    if request.references:
        chosen["references"] = [list(picture.angles) for picture in request.references]
    return StageJob(
        "input",
        folder,
        {**chosen, **asdict(settings)},
        lambda _: build(request, settings, folder),
        Route(words=request.image.absolute() == folder.picture.absolute()),
        required=(),
        files=files_of(request),
    )


def files_of(request: Request) -> dict[str, Path | None]:
    """Return name → file of the user's that decides the result."""
    pictures = {"": request.image} | {f"reference {i} ": one.path for i, one in enumerate(request.references)}
    files: dict[str, Path | None] = {f"{name}image": path for name, path in pictures.items()}
    files |= {f"{name}description": path.with_suffix(".json") for name, path in pictures.items()}
    return files | {"mask": request.mask}


def build(request: Request, settings: InputSettings, folder: RunFolder) -> Work:
    """Cut the object out and choose what is not said, and return the writing."""
    known = read_known_view(request.image.with_suffix(".json"))
    cut_out = load_cut_out(request.image, request.mask)
    keep = known.framing == "kept" if request.keep_framing is None else request.keep_framing
    framed = (keep_framing if keep else fit_framing)(cut_out.rgba, native_side(cut_out.rgba, keep))
    elevation = choose_elevation(request.elevation, request.estimate_elevation, known, framed, settings)
    class_word = choose_class_word(request.class_word, known, framed, settings)
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
        elevation_confidence=elevation.confidence,
        elevation_alternatives=elevation.alternatives,
        class_word_source=class_word.source,
        class_word_margin=class_word.margin,
        notes=cut_out.notes,
    )
    references = [framed_reference(picture, request.keep_framing, meta) for picture in request.references]
    meta = replace(meta, notes=(*meta.notes, *(note for reference in references for note in reference.notes)))
    for note in (*meta.notes, *elevation_notes(elevation)):
        print(f"viewdistill input: note: {request.image}: {note}", file=sys.stderr)
    return partial(write, folder, framed, meta, references)


def write(
    folder: RunFolder,
    framed: UInt8[np.ndarray, "size size 4"],
    meta: InputMeta,
    references: Sequence[FramedReference] = (),
) -> Mapping[str, Any]:
    """Write the framed images and what is known about them."""
    write_picture(folder.rgba, framed)
    write_references(folder, references)
    meta.save(folder.input_meta)
    return {
        "elevation_deg": meta.elevation_deg,
        "framing": meta.framing,
        "class_word": meta.class_word,
        "mask_source": meta.mask_source,
    }


def elevation_notes(elevation: ElevationChoice) -> list[str]:
    """Return the note on an estimated elevation."""
    if elevation.confidence is None:
        return []
    low, high = elevation.alternatives
    what = "estimated as" if elevation.source == "estimate" else "not clear, taken as"
    return [
        f"elevation {what} {elevation.degrees:g} degrees, within 10 with a probability of {elevation.confidence:.0%}; "
        f"where the mesh leans, try --elevation={low:g} or --elevation={high:g}"
    ]
