"""What two steps of every stage at full size cost, as a Markdown table.

    make smoke-full && python -m experiments.reporting.smoke_table runs/smoke-full/smoke.json
    python -m experiments.reporting.smoke_table experiments/results/smoke_full.json --out docs/performance.md

The second puts the table into a page, between its lines `<!-- smoke -->` and `<!-- /smoke -->`.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import options
from commands.parsing import OneLineParser
from datamodules.runs.run_folder import read_json
from experiments.pages import put_into_page
from experiments.script import parse_request, run_script, script_parser

NAME = "smoke"
"""Of the table's place in a page."""

HEAD = """\
| preset | stage | priors in | CPU seconds, loading and two steps | peak memory, GB | loss |
|---|---|---|---:|---:|---:|
"""


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    costs: Path
    """The ``smoke.json`` of `experiments.smoke_full`."""
    out: Path | None = None
    """Page to put the table into; printed when not given."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("reporting.smoke_table", __doc__)
    parser.add_argument("costs", type=options.existing_file, metavar="JSON", help="smoke.json of a smoke-full run")
    parser.add_argument(
        "--out", type=options.existing_file, metavar="MD", help="page to put the table into (default: print it)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print or write the table; returns the exit status."""
    return run_script("smoke_table", lambda: run(parse_request(build_parser(), Request, argv)))


def run(request: Request) -> None:
    """Print the table, or put it into a page.

    Raises:
        ViewDistillError: The page has no place for the table, or the file is damaged.
    """
    text = table(read_json(request.costs))
    if request.out is None:
        print(text, end="")
    else:
        put_into_page(request.out, NAME, text)


def table(costs: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The table of ``smoke.json``: preset → stage → figures."""
    rows = [row(preset, stage, figures) for preset, stages in costs.items() for stage, figures in stages.items()]
    return HEAD + "".join(rows)


def row(preset: str, stage: str, figures: Mapping[str, Any]) -> str:
    """A row of the table; only fits have a loss."""
    loss = f"{figures['loss']:,.4g}" if "loss" in figures else ""
    cost = f"{figures['cpu_seconds']:,.0f} | {figures['peak_memory_gb']:.1f}"
    return f"| `{preset}` | {stage} | {figures['precision']} | {cost} | {loss} |\n"


if __name__ == "__main__":
    sys.exit(main())
