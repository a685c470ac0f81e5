"""Curves of a fit: logged values by step, as a CSV for spreadsheets and the report.

``curves.csv`` has one row per logged step. Its first column is ``step`` (completed optimizer steps), the others are
metrics in the order of their first appearance; an empty cell means that a metric has not been logged yet.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from viewdistill.documents import read_csv
from viewdistill.errors import ViewDistillError
from viewdistill.files import atomic_path

CURVES_FILE = "curves.csv"
"""Name of the curves in a fitted stage's folder."""

STEP = "step"
"""Name of the first column."""


@dataclass(frozen=True)
class CurveRow:
    """Logged values of one step."""

    step: int
    """Completed optimizer steps."""
    metrics: dict[str, float]
    """Values by name."""


@dataclass(frozen=True)
class Curve:
    """One metric over its logged steps."""

    steps: tuple[int, ...]
    """Ascending."""
    values: tuple[float, ...]
    """One per step; may be non-finite."""


def save_rows(path: Path, rows: Sequence[CurveRow]) -> None:
    """Write ``curves.csv``, atomically."""
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([STEP, *names])
        writer.writerows([row.step, *(row.metrics.get(name, "") for name in names)] for row in rows)


def load_rows(path: Path) -> list[CurveRow]:
    """Read the rows of ``curves.csv``; none without the file.

    Raises:
        ViewDistillError: The file is damaged.
    """
    if not path.is_file():
        return []
    (first, *names), lines = read_csv(path, "delete it")
    try:
        if first != STEP:
            raise ValueError(f"first column {first!r}, expected {STEP!r}")
        return [
            CurveRow(int(line[0]), {n: float(v) for n, v in zip(names, line[1:], strict=True) if v}) for line in lines
        ]
    except ValueError as error:
        raise ViewDistillError(f"{path}: not a table of curves ({error}); delete it") from error


def load_curves(path: Path) -> dict[str, Curve]:
    """Return the curves in ``curves.csv`` by name; none without the file.

    Raises:
        ViewDistillError: The file is damaged.
    """
    rows = load_rows(path)
    curves: dict[str, Curve] = {}
    for name in dict.fromkeys(name for row in rows for name in row.metrics):
        points = [(row.step, row.metrics[name]) for row in rows if name in row.metrics]
        steps, values = zip(*points, strict=True)
        curves[name] = Curve(steps, values)
    return curves
