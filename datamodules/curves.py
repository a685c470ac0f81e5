"""Curves of a fit: what was logged at which step, as a CSV that spreadsheets and the report read.

``curves.csv`` has a row a logged step. Its first column is ``step`` (optimizer steps done), the others are metrics in
the order in which they first appeared; an empty cell means that a metric had not been logged by then.
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
    """What was logged at one step."""

    step: int
    """Optimizer steps done."""
    metrics: dict[str, float]
    """Values by name."""


@dataclass(frozen=True)
class Curve:
    """One metric over the steps at which it was logged."""

    steps: tuple[int, ...]
    """In order."""
    values: tuple[float, ...]
    """One a step; not all need be finite."""


def save_rows(path: Path, rows: Sequence[CurveRow]) -> None:
    """Write ``curves.csv``, atomically."""
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([STEP, *names])
        writer.writerows([row.step, *(row.metrics.get(name, "") for name in names)] for row in rows)


def load_rows(path: Path) -> list[CurveRow]:
    """Read what `save_rows` wrote; nothing where there is no such file.

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
    """The curves in ``curves.csv`` by name; none where there is no such file.

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
