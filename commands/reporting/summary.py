"""`viewdistill summary`: costs and files of a run's stages."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.arguments import add_run_argument
from datamodules.runs.run_folder import RunFolder, write_json
from datamodules.runs.stage_record import complete_records
from viewdistill.errors import ViewDistillError


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """Folder of the run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_run_argument(parser)


def run(request: Request) -> None:
    """Write ``summary.json`` and print it as a table.

    Raises:
        ViewDistillError: No stage of this run is complete.
    """
    folder = RunFolder(request.run_folder)
    print_table(folder.root, write_summary(folder))


def write_summary(folder: RunFolder) -> list[dict[str, Any]]:
    """Write ``summary.json``, and return the records of the complete stages.

    Raises:
        ViewDistillError: No stage of this run is complete, or a record is damaged.
    """
    records = list(complete_records(folder).values())
    if not records:
        raise ViewDistillError(f"{folder.root}: no complete stage here; run `make object IMG=…` first")
    write_json(folder.summary, {"name": folder.name, "stages": records, "total": totals(records)})
    return records


def totals(records: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds of all stages together and the largest peak of memory, MB."""
    return {
        "seconds": round(sum(record["seconds"] for record in records), 3),
        "peak_memory_mb": max(record["peak_memory_mb"] for record in records),
    }


def print_table(root: Path, records: list[dict[str, Any]]) -> None:
    """Print one row per stage and one for the total."""
    table = Table(title=Text(str(root)), title_justify="left", show_footer=True)
    total = totals(records)
    table.add_column("stage", "total", style="bold")
    table.add_column("seconds", f"{total['seconds']:.1f}", justify="right")
    table.add_column("peak memory", f"{total['peak_memory_mb']:,.0f} MB", justify="right")
    table.add_column("files", overflow="fold")
    for record in records:
        files = Text("\n".join(file_lines(record["files"])))
        table.add_row(record["stage"], f"{record['seconds']:.1f}", f"{record['peak_memory_mb']:,.0f} MB", files)
    Console().print(table)


def file_lines(files: dict[str, int]) -> list[str]:
    """List the files of a stage, those of one folder and kind in one line.

    Args:
        files: Path within the stage's folder → size, bytes.
    """
    groups: dict[tuple[str, str], dict[str, int]] = {}
    for name, size in files.items():
        path = PurePosixPath(name)
        # Numbered pictures, as 000.png or step_000100.png, are one kind even at the top of the stage's folder.
        kind = re.sub(r"[0-9]{2,}", "*", path.name)
        groups.setdefault((str(path.parent), kind), {})[name] = size
    lines: list[str] = []
    for (folder, kind), group in groups.items():
        total = size_text(sum(group.values()))
        name = kind if folder == "." else f"{folder}/{kind}"
        lines.append(f"{next(iter(group))} ({total})" if len(group) == 1 else f"{name}: {len(group)} files ({total})")
    return lines


def size_text(size: int) -> str:
    """A file's size for people, in B, kB or MB (powers of ten)."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
