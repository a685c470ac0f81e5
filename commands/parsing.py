"""Parsers of the command line: one for the command's name, one for each subcommand's options; errors are one line."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from commands import options
from commands.table import SUBCOMMANDS, Subcommand
from datamodules.runs.memory_limit import limit_set
from viewdistill.version import __version__

Request = TypeVar("Request")
"""A dataclass with the options of a command."""


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """End with status 2 and one line with the fault and the help command."""
        self.exit(2, f"{self.prog}: {one_line(message)} (see `{self.prog} --help`)\n")


@dataclass(frozen=True)
class Call:
    """A parsed command line."""

    name: str
    """The subcommand."""
    run: Callable[[Any], None]
    """Its function."""
    request: Any
    """Its options: the ``Request`` of its module."""
    memory_limit: int | None = None
    """Bytes that its stages may use; none where the option was not given."""

    def __call__(self) -> None:
        """Run it."""
        with limit_set(self.memory_limit):
            self.run(self.request)


def given(argv: Sequence[str] | None) -> list[str]:
    """Arguments after the program's name; those of the process when not given."""
    return list(sys.argv[1:] if argv is None else argv)


def command_name(words: Sequence[str]) -> str:
    """Parse the subcommand's name; end the process if the first word is none."""
    return build_top_parser().parse_args(words[:1]).command


def parse(argv: Sequence[str] | None = None) -> Call:
    """Parse a command line; only the module of its subcommand is imported.

    Args:
        argv: Arguments after the program's name; those of the process when not given.
    """
    words = given(argv)
    name = command_name(words)
    subcommand = SUBCOMMANDS[name]
    parser = build_parser(subcommand)
    arguments, settings = parser.parse_known_args(words[1:])
    if settings and not subcommand.open_ended:
        parser.error(f"unrecognised arguments: {' '.join(settings)}")
    module = subcommand.load()
    limit = vars(arguments).pop("memory_limit", None)
    more = {"settings": tuple(settings)} if subcommand.open_ended else {}
    return Call(name, module.run, request_of(module.Request, arguments, more), limit)


def request_of(kind: type[Request], arguments: argparse.Namespace, more: Mapping[str, Any] | None = None) -> Request:
    """Build a request from parsed options; lists become tuples, since a request never changes.

    Args:
        kind: A dataclass with a field per option.
        arguments: Parsed options.
        more: Further fields.
    """
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in vars(arguments).items()}
    return kind(**options, **(more or {}))


def build_top_parser() -> OneLineParser:
    """Build the parser of the command's name, which lists all commands."""
    parser = OneLineParser(
        prog="viewdistill",
        description="One image of an object to consistent views and a textured mesh, by Unbiased Score Distillation.",
        epilog="`make object IMG=examples/robot.png` runs all stages of the method in order, and resumes.",
    )
    parser.add_argument("--version", action="version", version=f"viewdistill {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)
    for subcommand in SUBCOMMANDS.values():
        commands.add_parser(subcommand.name, help=subcommand.help, add_help=False)
    return parser


def build_parser(subcommand: Subcommand) -> OneLineParser:
    """Build the parser of a subcommand's options."""
    module = subcommand.load()
    parser = OneLineParser(
        prog=f"viewdistill {subcommand.name}",
        description=f"{subcommand.help[0].upper()}{subcommand.help[1:]}.",
        epilog=getattr(module, "EPILOG", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    if subcommand.runs_stages:
        parser.add_argument(
            "--memory-limit",
            type=options.memory,
            metavar="SIZE",
            help="memory that a stage may use, as 8GB (default: what is free here)",
        )
    return parser


def one_line(message: str) -> str:
    """Return a message without line breaks and control characters, which file names can carry."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in message).split())
