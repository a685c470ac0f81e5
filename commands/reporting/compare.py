"""`viewdistill compare`: two or more local runs side by side, as a table and as curves."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands import options
from commands.reporting.comparison import run_figures
from commands.reporting.comparison_plot import plot_curves
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import ViewDistillError

EPILOG = """\
Settings are shown where the runs differ, with the run's own folder written as RUN; losses are those of the last step.
A dash marks a missing figure."""

NOTHING = "–"
"""Mark of a missing figure."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folders: tuple[Path, ...]
    """Folders of two or more runs."""
    out: Path | None = None
    """Picture of the curves; ``comparison.png`` beside the first run where not given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folders", type=options.run_folder, nargs="+", metavar="RUN", help="run folders, two or more"
    )
    parser.add_argument(
        "--out",
        type=options.output_file,
        metavar="PNG",
        help="the curves (default: comparison.png beside the first run)",
    )


def run(request: Request) -> None:
    """Print the table and draw the curves.

    Raises:
        ViewDistillError: There are fewer than two runs, one has no complete stage, or a file of it is damaged.
    """
    if len(request.run_folders) < 2:
        raise ViewDistillError("compare needs two runs or more, as `viewdistill compare runs/a runs/b`")
    folders = [RunFolder(path) for path in request.run_folders]
    names = [str(folder.root) for folder in folders]
    if len(set(names)) < len(names):
        raise ViewDistillError(f"a run is named twice: {', '.join(names)}")
    sections = [run_figures(folder) for folder in folders]
    Console().print(table(names, sections))
    out = request.out or folders[0].root.parent / "comparison.png"
    if plot_curves(folders, out):
        print(f"curves: {out}")


def table(names: list[str], sections: list[dict[str, dict[str, Any]]]) -> Table:
    """Return a table with one column per run and one row per figure; only differing settings are listed.

    Args:
        names: Of the runs.
        sections: Of every run: figures by name in sections by title, see `commands.reporting.comparison.run_figures`.
    """
    found = Table()
    found.add_column("", overflow="fold")
    for name in names:
        found.add_column(Text(name), justify="right", overflow="fold")
    for title in sections[0]:
        figures = [section[title] for section in sections]
        keys = list(dict.fromkeys(key for figure in figures for key in figure))
        rows = [(key, [figure.get(key) for figure in figures]) for key in keys]
        if title == "settings":
            rows = [(key, values) for key, values in rows if any(value != values[0] for value in values)]
        if rows:
            found.add_section()
            found.add_row(Text(title, style="bold"))
            for key, values in rows:
                found.add_row(Text(f"  {key}"), *(Text(cell(value)) for value in values))
    return found


def cell(value: Any) -> str:
    """A figure for people."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
