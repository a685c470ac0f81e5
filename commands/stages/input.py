"""`viewdistill input`: an image to ``input/rgba.png`` and ``input/meta.json``."""

import argparse
from pathlib import Path

from commands.stages.configuration import REPOSITORY

SIZE = 256
"""Side of the framed image, pixels: Zero-1-to-3's own."""

EPILOG = """\
A JSON file beside the image may say elevation_deg, framing ("fitted" or "kept") and caption, as examples/robot.json
does. What neither it nor an option says is estimated with the priors, which are only loaded for that; where an
estimate is not clear, the elevation is 0 and the class word "object". meta.json keeps every choice and its source."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("image", type=Path, metavar="IMG", help="image of an object (PNG, JPEG, WebP, TIFF, …)")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder to write to, as runs/robot")
    parser.add_argument(
        "--mask",
        type=Path,
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
            type=Path,
            default=REPOSITORY / "priors" / "nano" / folder,
            metavar="DIR",
            help=f"prior that {use} (default priors/nano/{folder})",
        )


def run(arguments: argparse.Namespace) -> None:
    """Cut the object out, frame it, and write it with its camera and its class word.

    Raises:
        ViewDistillError: The image, its mask or an option cannot be used; nothing has been written then.
    """
    from PIL import Image

    from commands.stages.input_choices import choose_class_word, choose_elevation, read_known_view
    from commands.tracking.stage import option_settings, track_stage
    from datamodules.run_folder import InputMeta, RunFolder, atomic_path
    from datamodules.stage_record import record_stage
    from viewdistill.input_image import fit_framing, keep_framing, load_cut_out

    cut_out = load_cut_out(arguments.image, arguments.mask)
    known = read_known_view(arguments.image.with_suffix(".json"))
    keep = known.framing == "kept" if arguments.keep_framing is None else arguments.keep_framing
    framed = keep_framing(cut_out.rgba, SIZE) if keep else fit_framing(cut_out.rgba, SIZE)
    elevation = choose_elevation(arguments, known, framed)
    class_word = choose_class_word(arguments, known, framed)

    folder = RunFolder(arguments.out)
    meta = InputMeta(
        name=folder.name,
        elevation_deg=elevation.degrees,
        framing="kept" if keep else "fitted",
        source=str(arguments.image),
        caption=known.caption,
        class_word=class_word.word,
        seed=known.seed,
        mask_source=cut_out.mask_source,
        elevation_source=elevation.source,
        elevation_margin=elevation.margin,
        class_word_source=class_word.source,
        class_word_margin=class_word.margin,
    )
    with record_stage(folder.stage("input"), "input") as figures:
        with atomic_path(folder.rgba) as partial:
            Image.fromarray(framed).save(partial)
        meta.save(folder.input_meta)
        figures["elevation_deg"], figures["framing"] = elevation.degrees, meta.framing
        figures["class_word"], figures["mask_source"] = class_word.word, cut_out.mask_source
    sampled = folder.record("picture").is_file() and arguments.image.resolve() == folder.picture.resolve()
    track_stage(folder, "input", ("picture",) if sampled else (), option_settings(arguments))
