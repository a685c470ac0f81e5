"""Arguments that several subcommands and scripts declare, each described in one place."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commands import options


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
