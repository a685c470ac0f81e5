"""`viewdistill summary`: what the stages of a run cost and wrote."""

import argparse
from pathlib import Path
from typing import Any

from viewdistill.errors import ViewDistillError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run folder, as runs/robot")


def run(arguments: argparse.Namespace) -> None:
    """Write ``summary.json`` and print it as a table.

    Raises:
        ViewDistillError: No stage of this run is complete.
    """
    from datamodules.run_folder import STAGES, RunFolder, read_json, write_json

    folder = RunFolder(arguments.run_folder)
    records = [read_json(folder.record(stage)) for stage in STAGES if folder.record(stage).is_file()]
    if not records:
        raise ViewDistillError(f"{folder.root}: no complete stage here; run `make object IMG=…` first")
    write_json(folder.summary, {"name": folder.name, "stages": records, "total": totals(records)})
    print_table(folder.root, records)


def totals(records: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds of all stages together and the largest peak of memory, MB."""
    return {
        "seconds": round(sum(record["seconds"] for record in records), 3),
        "peak_memory_mb": max(record["peak_memory_mb"] for record in records),
    }


def print_table(root: Path, records: list[dict[str, Any]]) -> None:
    """Print one row a stage and one in total."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(str(root)), title_justify="left", show_footer=True)
    total = totals(records)
    table.add_column("stage", "total", style="bold")
    table.add_column("seconds", f"{total['seconds']:.1f}", justify="right")
    table.add_column("peak memory", f"{total['peak_memory_mb']:,.0f} MB", justify="right")
    table.add_column("files", overflow="fold")
    for record in records:
        files = Text("\n".join(f"{name} ({size_text(size)})" for name, size in record["files"].items()))
        table.add_row(record["stage"], f"{record['seconds']:.1f}", f"{record['peak_memory_mb']:,.0f} MB", files)
    Console().print(table)


def size_text(size: int) -> str:
    """A file's size for people, in B, kB or MB (powers of ten)."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
