"""`viewdistill convert`: an original Zero-1-to-3 checkpoint to a prior folder."""

import argparse
from pathlib import Path

EPILOG = """\
Reads the checkpoints of the original code (zero123-xl.ckpt, 105000.ckpt, stable_zero123.ckpt) without running anything
that is in them, and needs about as much memory as the weights it writes. Where the file has a moving average of the
UNet's weights, that is taken. The folder can be given wherever a prior is asked for, as
`viewdistill field RUN --model.guidance.view_prior OUT`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="original checkpoint, as zero123-xl.ckpt")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write, as priors/zero123-xl")
    parser.add_argument(
        "--pose",
        choices=("relative", "input_polar"),
        help="the fourth pose number: change of distance (Zero-1-to-3) or polar angle of the input camera "
        "(Stable-Zero123; default for files and folders with that name)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Convert and say what was taken.

    Raises:
        ViewDistillError: The checkpoint cannot be used, or the folder cannot be written.
    """
    from viewdistill.diffusion.ldm_conversion import convert
    from viewdistill.diffusion.published import pose_of

    names = (arguments.checkpoint.stem, arguments.out.name)
    named = "input_polar" if "input_polar" in map(pose_of, names) else "relative"
    conversion = convert(arguments.checkpoint, arguments.out, arguments.pose or named)
    unet = "moving average of the UNet" if conversion.ema else "UNet as it is (no moving average in the file)"
    print(
        f"wrote {arguments.out}: {conversion.weights:,} weights; {unet}; fourth pose number {arguments.pose or named}"
    )
