"""`viewdistill doctor`: this machine's equipment, the back ends in use, and commands for missing parts."""

import argparse
from dataclasses import dataclass

from commands import options
from commands.machine.environment import missing_packages, summary
from viewdistill.errors import ViewDistillError

EPILOG = """\
The status is 0 unless `make object` with the embedded priors lacks something here. Nothing is changed. The hub is
contacted once, within the timeout."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    json: bool = False
    """Whether to print the findings as JSON."""
    timeout: float = 3.0
    """Longest wait for the hub, seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--timeout",
        type=options.SECONDS,
        default=Request.timeout,
        metavar="SECONDS",
        help="longest wait for the hub (default %(default)g)",
    )


def run(request: Request) -> None:
    """Print the findings.

    Raises:
        ViewDistillError: The embedded priors' pipeline lacks something.
    """
    if absent := missing_packages():
        raise ViewDistillError(f"{summary(absent)}; run `{absent[0].commands[0]}`")
    # Imported here because it needs the packages whose absence the lines above report.
    from commands.machine.findings import diagnose, print_json, show

    found = diagnose(request.timeout)
    if request.json:
        print_json(found)
    else:
        show(found)
    if found.required:
        raise ViewDistillError(summary(found.required))
