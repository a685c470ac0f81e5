"""Parsers of the command line: one for the command's name, one for each subcommand's options; errors are one line."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from commands.table import SUBCOMMANDS, Subcommand
from viewdistill import __version__


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """End with status 2 and one line that says what was wrong and where help is."""
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


@dataclass(frozen=True)
class Call:
    """A parsed command line."""

    name: str
    """The subcommand."""
    run: Callable[[Any], None]
    """Its function."""
    request: Any
    """Its options: the ``Request`` of its module."""

    def __call__(self) -> None:
        """Run it."""
        self.run(self.request)


def parse(argv: Sequence[str] | None = None) -> Call:
    """Parse a command line; only the module of its subcommand is imported.

    Args:
        argv: Arguments after the program's name; those of the process when not given.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    name = build_top_parser().parse_args(words[:1]).command
    subcommand = SUBCOMMANDS[name]
    parser = build_parser(subcommand)
    arguments, settings = parser.parse_known_args(words[1:])
    if settings and not subcommand.open_ended:
        parser.error(f"unrecognised arguments: {' '.join(settings)}")
    module = subcommand.load()
    if not hasattr(module, "Request"):
        arguments.command, arguments.settings = name, settings
        return Call(name, module.run, arguments)
    options = vars(arguments) | ({"settings": tuple(settings)} if subcommand.open_ended else {})
    return Call(name, module.run, module.Request(**options))


def build_top_parser() -> OneLineParser:
    """The parser of the command's name, with the list of all of them."""
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
    """The parser of a subcommand's options."""
    module = subcommand.load()
    parser = OneLineParser(
        prog=f"viewdistill {subcommand.name}",
        description=f"{subcommand.help[0].upper()}{subcommand.help[1:]}.",
        epilog=getattr(module, "EPILOG", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def one_line(message: str) -> str:
    """The message without line breaks or control characters, which file names can carry."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in message).split())
