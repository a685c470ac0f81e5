"""`viewdistill convert`: an original Zero-1-to-3 checkpoint to a prior folder."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from commands import options
from viewdistill.diffusion.ldm.conversion import convert
from viewdistill.diffusion.published import pose_of

EPILOG = """\
Reads the checkpoints of the original code (zero123-xl.ckpt, 105000.ckpt, stable_zero123.ckpt) without running anything
that is in them, and needs about as much memory as the weights it writes. Where the file has a moving average of the
UNet's weights, that is taken. The folder can be given wherever a prior is asked for, as
`viewdistill field RUN --model.guidance.view_prior OUT`."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    checkpoint: Path
    """Original checkpoint."""
    out: Path
    """Folder of the prior to write."""
    pose: Literal["relative", "input_polar"] | None = None
    """Fourth pose number; detected from the names of file and folder when not given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    # Not required to exist here: the conversion's error names the sources of a missing one.
    parser.add_argument("checkpoint", type=options.path, metavar="CKPT", help="original checkpoint, as zero123-xl.ckpt")
    parser.add_argument("out", type=options.output_folder, metavar="OUT", help="folder to write, as priors/zero123-xl")
    parser.add_argument(
        "--pose",
        choices=("relative", "input_polar"),
        help="the fourth pose number: change of distance (Zero-1-to-3) or polar angle of the input camera "
        "(Stable-Zero123; default for files and folders with that name)",
    )


def run(request: Request) -> None:
    """Convert and print a summary.

    Raises:
        ViewDistillError: The checkpoint cannot be used, or the folder cannot be written.
    """
    names = (request.checkpoint.stem, request.out.name)
    named = "input_polar" if "input_polar" in map(pose_of, names) else "relative"
    conversion = convert(request.checkpoint, request.out, request.pose or named)
    unet = "moving average of the UNet" if conversion.ema else "UNet as it is (no moving average in the file)"
    print(f"wrote {request.out}: {conversion.weights:,} weights; {unet}; fourth pose number {request.pose or named}")
