"""`viewdistill objects-preview`: a contact sheet of procedural objects."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.arguments import add_option
from datamodules.runs.run_folder import atomic_path
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
    add_option(parser, "--out", options.output_file, Request.out, "PNG", "picture to write")
    add_option(parser, "--first-seed", options.SEED, Request.first_seed, "N", "seed of the first object")
    add_option(parser, "--count", options.Integer(1, 1000), Request.count, "N", "number of objects")
    add_option(parser, "--size", options.Integer(8, 1024), Request.size, "PIXELS", "side of one view")


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
