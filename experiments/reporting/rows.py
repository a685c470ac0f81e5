"""Measured rows as a CSV file."""

import csv
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from datamodules.runs.run_folder import atomic_path


def write_rows(rows: Sequence[Any], path: Path) -> None:
    """Write instances of one dataclass, one column per field.

    Args:
        rows: At least one.
        path: File to write; replaced only by a complete one.
    """
    with atomic_path(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(rows[0])])
        writer.writerows(astuple(row) for row in rows)
