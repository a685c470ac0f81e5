"""Arguments that several subcommands and scripts declare, each described in one place."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from commands import options
from datamodules.runs.stages import Source


def add_run_argument(parser: argparse.ArgumentParser, holds: str = "") -> None:
    """Declare RUN, a run folder.

    Args:
        parser: The subcommand's parser.
        holds: What the folder has to hold, as "a complete input stage".
    """
    content = f" with {holds}" if holds else ""
    parser.add_argument(
        "run_folder", type=options.run_folder, metavar="RUN", help=f"run folder{content}, as runs/robot"
    )


def add_overlays_argument(parser: argparse.ArgumentParser, shipped: str) -> None:
    """Declare ``--config``.

    Args:
        parser: The subcommand's parser.
        shipped: What the help calls the configuration that is always read first.
    """
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        type=options.path,
        metavar="YAML",
        help=f"overlay on {shipped}: only what differs; may be given several times",
    )


def add_option(
    parser: argparse.ArgumentParser,
    name: str,
    kind: Callable[[str], Any],
    default: Any,
    metavar: str,
    description: str,
) -> None:
    """Declare an option whose help ends with its default.

    Args:
        parser: The subcommand's parser.
        name: With its dashes.
        kind: One of `commands.options`.
        default: The value of the request where it is not given.
        metavar: What the help calls a value.
        description: The help.
    """
    parser.add_argument(name, type=kind, default=default, metavar=metavar, help=f"{description} (default %(default)s)")


def add_out_argument(parser: argparse.ArgumentParser, default: Path) -> None:
    """Declare ``--out``, a folder."""
    add_option(parser, "--out", options.output_folder, default, "DIR", "folder to write to")


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options from which the stages' own follow: preset, source, seed and options of single stages."""
    parser.add_argument(
        "--preset",
        type=options.text,
        metavar="NAME",
        help="overlays of configs/presets/NAME on the stages' YAMLs (default nano, which has none)",
    )
    parser.add_argument(
        "--source", choices=get_args(Source), default="surface", help="stage to make the mesh from (default surface)"
    )
    parser.add_argument(
        "--seed", type=options.SEED, metavar="N", help="seed of everything random (default: the YAMLs')"
    )
    parser.add_argument(
        "--options",
        action="append",
        type=options.text,
        default=[],
        metavar="STAGE=OPTIONS",
        help="more options of one stage, as 'field=--trainer.max_steps 600'; may be given several times",
    )
