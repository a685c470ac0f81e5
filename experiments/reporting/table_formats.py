"""A comparison as Markdown, LaTeX and CSV."""

import csv
import io
from typing import Any

from experiments.reporting.costs import costs_markdown
from experiments.running.comparison import Cell, Comparison
from experiments.running.studies import Column

CSV_COLUMNS: tuple[str, ...] = (
    "study",
    "arm",
    "figure",
    "at",
    "better",
    "objects",
    "runs",
    "failed",
    "mean",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "reference",
    "prior",
)
"""Columns of the CSV, with one row per arm and figure."""

LATEX_ESCAPES = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}
"""LaTeX's special characters."""


def heading(column: Column, axis: str) -> str:
    """Of a column, with an arrow towards what is better."""
    at = "" if column.at is None else f", {axis} = {column.at:g}"
    return f"{column.name}{at} {'↑' if column.better == 'higher' else '↓'}"


def cell_text(cell: Cell, column: Column) -> str:
    """Format mean and interval, then the difference to the reference with its interval, and a verdict if clear."""
    if cell.mean.count == 0:
        return "n/a"
    text = f"{cell.mean.mean:.3f}"
    if cell.mean.count > 1:
        text += f" [{cell.mean.low:.3f}, {cell.mean.high:.3f}]"
    if cell.difference is None:
        return text
    if cell.difference.count < 2:
        return f"{text}; {cell.difference.mean:+.3f}"
    verdict = ("", " better", " worse")[cell.clear if column.better == "higher" else -cell.clear]
    return f"{text}; {cell.difference.mean:+.3f} [{cell.difference.low:+.3f}, {cell.difference.high:+.3f}]{verdict}"


def body(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the table for people."""
    study = comparison.study
    headings = ["arm", "objects", "runs", "failed", *(heading(column, study.axis) for column in study.columns)]
    rows: list[list[str]] = []
    for row in comparison.rows:
        name = f"{row.arm} (reference)" if row.arm == study.reference else row.arm
        cells = [cell_text(cell, column) for cell, column in zip(row.cells, study.columns, strict=True)]
        rows.append([name, str(row.objects), str(row.runs), str(row.failed), *cells])
    return headings, rows


def notes(comparison: Comparison) -> list[str]:
    """Return notes for the reader."""
    reference, protocols = comparison.study.reference, comparison.study.protocols
    geometry = " and ".join(f"`{name}`" for name in protocols)
    geometry += "" if "surface-aligned" in protocols else ", nothing aligned"
    found = [
        f"Means over objects with 95 % intervals; after the semicolon the difference to {reference}, paired by object "
        "and seed, with its interval (bootstrap over objects). Marked better or worse where it leaves out 0.",
        f"Seeds: {comparison.seeds}; priors {comparison.prior[:12]}; novel views: 16 cameras at elevation 30, 64 "
        f"pixels, all pixels over white; geometry: protocol {geometry}.",
    ]
    if comparison.few:
        found.insert(0, "A quick look: too few objects or seeds for a result.")
    reasons = dict.fromkeys(cell.reason for row in comparison.rows for cell in row.cells if cell.reason)
    return [*found, *(f"n/a: {reason}" for reason in reasons)]


def markdown(comparison: Comparison) -> str:
    """Return a section with the table, its notes, the stages' costs and the runs behind it."""
    headings, rows = body(comparison)
    lines = [f"## {comparison.study.id}: {comparison.study.question}", ""]
    lines += ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines += ["", *(f"{note}\n" for note in notes(comparison))]
    lines += [costs_markdown(comparison)]
    lines += ["<details><summary>runs used</summary>", "", *(f"- {run.path.parent}" for run in comparison.runs)]
    return "\n".join([*lines, "", "</details>", ""])


def latex(comparison: Comparison) -> str:
    """A ``tabular`` for the package booktabs, with the notes and the runs as comments."""
    headings, rows = body(comparison)
    comments = [*notes(comparison), *(f"run {run.path.parent}" for run in comparison.runs)]
    lines = [f"% {comparison.study.id}: {comparison.study.question}", *(f"% {comment}" for comment in comments)]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}", r"\toprule", latex_row(headings), r"\midrule"]
    lines += [latex_row(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def latex_row(cells: list[str]) -> str:
    """One line of a ``tabular``."""
    escaped = ["".join(LATEX_ESCAPES.get(character, character) for character in cell) for cell in cells]
    return " & ".join(escaped).replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$") + r" \\"


def csv_text(comparison: Comparison) -> str:
    """Return all numbers with all digits; missing ones are empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in comparison.rows:
        for cell, column in zip(row.cells, comparison.study.columns, strict=True):
            writer.writerow(
                csv_row(comparison, cell, column)
                | {"arm": row.arm, "objects": row.objects, "runs": row.runs, "failed": row.failed}
            )
    return file.getvalue()


def csv_row(comparison: Comparison, cell: Cell, column: Column) -> dict[str, Any]:
    """Return the columns common to all rows."""
    content: dict[str, Any] = {"study": comparison.study.id, "figure": column.figure, "at": column.at}
    content |= {"better": column.better, "reference": comparison.study.reference, "prior": comparison.prior}
    if cell.mean.count:
        content |= {"mean": cell.mean.mean, "low": cell.mean.low, "high": cell.mean.high}
    if cell.difference is not None:
        difference = cell.difference
        content |= {"difference": difference.mean, "difference_low": difference.low, "difference_high": difference.high}
    return content
