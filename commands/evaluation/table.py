"""``evaluation.json`` for people: tables of views, geometry and consistency, then notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

MISSING = "n/a"
"""Mark of a missing figure; the reason follows below the tables."""


def print_evaluation(content: dict[str, Any], console: Console) -> None:
    """Print the tables of an evaluation, the reasons for missing figures, and its notes."""
    truth = content["truth"]
    say(console, f"prediction: {content['prediction']['kind']}")
    say(console, f"truth: {truth['kind']}; {truth['placement']}; light: {truth['light']}")
    for table in (
        views_table(content["views"]),
        geometry_table(content["geometry"]),
        consistency_table(content["consistency"]),
    ):
        if table.row_count:
            console.print(table)
    for line in [*reasons(content), *content["notes"]]:
        say(console, line)


def say(console: Console, line: str) -> None:
    """Print a line as it is, paths and brackets included."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def views_table(rows: list[dict[str, Any]]) -> Table:
    """A row a set of views."""
    columns = ("views of", "protocol", "views", "PSNR, dB", "SSIM", "LPIPS")
    found = new_table("views: mean over views, 95 % interval beneath", columns)
    for row in rows:
        figures = [cell(row["psnr"], ".2f"), cell(row["ssim"], ".3f"), cell(row["lpips"], ".3f")]
        found.add_row(plain(row["of"]), row["protocol"], f"{row['views']} of {row['size']}²", *figures)
    return found


def geometry_table(rows: list[dict[str, Any]]) -> Table:
    """Return a table with one row per protocol."""
    columns = ("protocol", "points", "Chamfer", "Volume IoU", "F@0.01", "F@0.02", "normals")
    found = new_table("geometry: points of the prediction, of the truth beneath", columns)
    names = ("chamfer", "volume_iou", "f_score_001", "f_score_002", "normal_consistency")
    for row in rows:
        figures = [cell(row[name], ".4f") for name in names]
        if row["iou_resolution"]:
            figures[1] += f"\n{row['iou_resolution']}³ cells"
        found.add_row(row["protocol"], f"{row['prediction_points']:,}\n{row['truth_points']:,}", *figures)
    return found


def consistency_table(rows: list[dict[str, Any]]) -> Table:
    """A row a set of views."""
    columns = ("views of", "views", "reprojection PSNR, dB", "COLMAP points")
    found = new_table("consistency of views with each other: mean over pairs, 95 % interval beneath", columns)
    for row in rows:
        cells = cell(row["reprojection_psnr"], ".2f"), cell(row["colmap_points"], "d")
        found.add_row(plain(row["of"]), f"{row['views']} of {row['size']}²", *cells)
    return found


def new_table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table; numbers are right-aligned, the first column left-aligned."""
    found = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD)
    for index, column in enumerate(columns):
        found.add_column(column, overflow="fold", justify="right" if index else "left")
    return found


def plain(text: str) -> Text:
    """Return text without markup by brackets, for paths."""
    return Text(text)


def cell(figure: dict[str, Any], form: str) -> str:
    """Format a figure, with its interval beneath, if any."""
    if figure["mean"] is None:
        return MISSING
    text = format(figure["mean"], form)
    low, high = figure.get("interval_95", (None, None))
    return text if low is None else f"{text}\n{low:{form}} – {high:{form}}"


def reasons(content: dict[str, Any]) -> list[str]:
    """Return the reasons for missing figures, each once."""
    found: dict[str, None] = {}
    for section in ("views", "geometry", "consistency"):
        for row in content[section]:
            for name, figure in row.items():
                if isinstance(figure, dict) and figure.get("mean", 0) is None:
                    found[f"{MISSING}: {name.replace('_', ' ')}: {figure['reason']}"] = None
    if content["prediction"]["mesh"] and not content["geometry"]:
        found[f"{MISSING}: geometry: the truth has neither a mesh nor depth"] = None
    return list(found)
