"""`viewdistill objects-preview`: a contact sheet of procedural objects."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs/objects-preview.png"), metavar="PNG", help="file to write"
    )
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="seed of the first object (default: 0)")
    parser.add_argument("--count", type=int, default=40, metavar="N", help="number of objects (default: 40)")
    parser.add_argument("--size", type=int, default=128, metavar="PIXELS", help="side of one view (default: 128)")


def run(arguments: argparse.Namespace) -> None:
    """Draw objects of consecutive seeds, each from the front and from the back, and print their captions.

    Raises:
        ViewDistillError: A seed is in no range of objects, or there is nothing to draw.
    """
    from datamodules.run_folder import atomic_path
    from viewdistill.errors import ViewDistillError
    from viewdistill.objects.preview import contact_sheet

    if arguments.count < 1 or arguments.size < 1:
        raise ViewDistillError("--count and --size must be at least 1")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.count)
    with atomic_path(arguments.out) as partial:
        captions = contact_sheet(seeds, partial, size=arguments.size)
    for seed, caption in zip(seeds, captions, strict=True):
        print(f"{seed}  {caption}")
    print(f"wrote {arguments.out}")
