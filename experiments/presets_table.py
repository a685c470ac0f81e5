"""Settings of the full-size presets beside the official ones, as Markdown tables.

Read from the comments of configs/presets/zero123-xl/*.yaml (`experiments.preset_settings` has their form), so that a
value and what is said of it stand in one place. `make presets-table` prints the tables; `--out docs/presets.md` puts
them into a page, between its lines `<!-- tables -->` and `<!-- /tables -->`.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.parsing import OneLineParser
from datamodules.runs.stages import STAGES
from experiments.pages import put_into_page
from experiments.preset_settings import Setting, settings
from experiments.script import parse_request, run_script, script_parser
from viewdistill.resources import REPOSITORY

PRESETS = REPOSITORY / "configs" / "presets"
"""Folder of the overlays."""

TOLD = {
    "zero123-xl": "One image by Zero123-XL and Stable Diffusion 2.1-base",
    "zero123-xl/stable-zero123": "Stable-Zero123 instead of Zero123-XL: differences",
    "zero123-xl/text": "An object in words by Stable Diffusion alone: differences",
}
"""Preset → heading."""

NAME = "tables"
"""Of the tables' place in the page."""


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    out: Path | None = None
    """Page for the tables; printed when not given."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("presets_table", __doc__)
    parser.add_argument(
        "--out", type=options.existing_file, metavar="MD", help="page for the tables (default: print them)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print or write the tables; returns the exit status."""
    return run_script("presets_table", lambda: run(parse_request(build_parser(), Request, argv)))


def run(request: Request) -> None:
    """Print the tables, or put them into a page.

    Raises:
        ViewDistillError: A setting has no comment, or the page has no place for the tables.
    """
    if request.out is None:
        print(tables(), end="")
    else:
        put_into_page(request.out, NAME, tables())


def tables() -> str:
    """All tables, a section per preset."""
    return "\n".join(section(preset, heading) for preset, heading in TOLD.items())


def section(preset: str, heading: str) -> str:
    """The tables of one preset, a table per stage that it has a YAML of."""
    parts = [f"## `PRESET={preset}`\n\n{heading}.\n"]
    for name, stage in STAGES.items():
        if stage.config is not None and (path := PRESETS / preset / stage.config).is_file():
            parts.append(f"### {name}\n\n{table(settings(path))}")
    return "\n".join(parts)


def table(rows: Iterable[Setting]) -> str:
    """One table."""
    lines = ["| setting | official | ours | why |", "|---|---|---|---|"]
    lines += [f"| {row.name} | {code(row.official)} | {code(row.value)} | {row.reason} |" for row in rows]
    return "\n".join(lines) + "\n"


def code(value: str) -> str:
    """A value as code, a dash as it is."""
    return value if value == "–" else f"`{value}`"


if __name__ == "__main__":
    sys.exit(main())
