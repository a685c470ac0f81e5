"""Common parts of the experiments' scripts: a parser from the docstring, typed options, errors in one line."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from commands import options
from commands.arguments import add_option
from commands.guard import guarded
from commands.parsing import OneLineParser, request_of
from commands.process import set_folders, set_output

Request = TypeVar("Request")
"""A dataclass with the options of a script."""


def script_parser(name: str, docstring: str | None) -> OneLineParser:
    """Build a parser whose help is the docstring of a module.

    Args:
        name: Dotted name of the module in ``experiments``, as ``reporting.tables``.
        docstring: Its docstring: a summary, an empty line, the rest.
    """
    summary, _, rest = (docstring or "").partition("\n\n")
    return OneLineParser(
        prog=f"python -m experiments.{name}",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_studies_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the studies' names."""
    parser.add_argument(
        "studies",
        type=options.text,
        nargs="*",
        metavar="STUDY",
        help="ids or YAML files (default: all that are shipped)",
    )


def add_runs_argument(parser: argparse.ArgumentParser, default: Path) -> None:
    """Declare ``--runs``."""
    add_option(parser, "--runs", options.path, default, "DIR", "folder of all runs")


def parse_request(parser: OneLineParser, kind: type[Request], argv: Sequence[str] | None) -> Request:
    """Parse the options of a script; those of the process when not given."""
    return request_of(kind, parser.parse_args(argv))


def run_script(name: str, work: Callable[[], int | None]) -> int:
    """Run a script; any error is one line.

    Args:
        name: Begins each message.
        work: What it does; returns an exit status, or none for 0.
    """
    set_output()
    set_folders()
    return guarded(name, work)
