"""`viewdistill objects-preview`: a contact sheet of procedural objects."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from commands import options
from datamodules.run_folder import atomic_path
from viewdistill.objects.preview import contact_sheet


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    out: Path = Path("runs/objects-preview.png")
    """Picture to write."""
    first_seed: int = 0
    """Seed of the first object."""
    count: int = 40
    """Number of objects, of consecutive seeds."""
    size: int = 128
    """Side of one view, pixels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "--out",
        type=options.output_file,
        default=Request.out,
        metavar="PNG",
        help="picture to write (default %(default)s)",
    )
    parser.add_argument(
        "--first-seed",
        type=options.SEED,
        default=Request.first_seed,
        metavar="N",
        help="seed of the first object (default %(default)s)",
    )
    parser.add_argument(
        "--count",
        type=options.Integer(1, 1000),
        default=Request.count,
        metavar="N",
        help="number of objects (default %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=options.Integer(8, 1024),
        default=Request.size,
        metavar="PIXELS",
        help="side of one view (default %(default)s)",
    )


def run(request: Request) -> None:
    """Draw objects of consecutive seeds, each from the front and from the back, and print their captions.

    Raises:
        ViewDistillError: A seed is outside the ranges of objects.
    """
    seeds = range(request.first_seed, request.first_seed + request.count)
    with atomic_path(request.out) as partial:
        captions = contact_sheet(seeds, partial, size=request.size)
    for seed, caption in zip(seeds, captions, strict=True):
        print(f"{seed}  {caption}")
    print(f"wrote {request.out}")
