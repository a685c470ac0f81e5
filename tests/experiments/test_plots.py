"""What the pictures of studies show, read back from their axes."""

from pathlib import Path
from typing import Any

import pytest

from experiments.reporting.plots import plot
from experiments.running.comparison import Comparison, compare, load_runs
from tests.experiments.finished_runs import ARMS, COLUMNS, STUDY, toy_study, write_runs

ALONG = """\
axis: t
columns:
  - {name: norm, figure: views/field/psnr, better: lower, at: 50}
  - {name: norm, figure: geometry/surface/chamfer, better: lower, at: 200}
"""

LINES = """\
arms:
  usd: {at: 1, line: plain}
  sds_1: {at: 3, line: plain}
  csd: {at: 1, line: other}
"""


def compared(folder: Path, text: str, psnr: dict[str, dict[int, float]]) -> Comparison:
    write_runs(folder, psnr)
    found = compare(toy_study(folder, text), load_runs(folder), {})
    assert found is not None
    return found


def drawn(panel: Any) -> list[tuple[str, Any]]:
    """Label and line of everything in a panel that has bars."""
    return [(container.get_label(), container.lines[0]) for container in panel.containers]


def test_arms_are_marks_in_a_panel_a_figure(tmp_path: Path):
    comparison = compared(tmp_path, STUDY, {"usd": {1: 10.0, 2: 20.0}, "sds_1": {1: 30.0}})
    panels = plot(comparison).axes
    titles = ["PSNR (higher is better)", "Chamfer (lower is better)"]
    assert [panel.get_title() for panel in panels] == [*titles, *["difference to usd, paired"] * 2]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["usd", "sds_1"]
    assert [mark.get_xdata()[0] for _, mark in drawn(panels[0])] == [15, 30]
    # The reference stands above.
    assert panels[0].get_ylim() == (1.5, -0.5)


def test_differences_are_paired_and_the_reference_has_none(tmp_path: Path):
    comparison = compared(tmp_path, STUDY, {"usd": {1: 10.0, 2: 20.0}, "sds_1": {1: 30.0}})
    panel = plot(comparison).axes[2]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["usd", "sds_1"]
    # Of the one object that both have.
    ((_, mark),) = drawn(panel)
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([20], [1])


def test_figures_along_an_axis_are_a_curve_an_arm(tmp_path: Path):
    text = STUDY.replace(COLUMNS, ALONG)
    (panel,) = plot(compared(tmp_path, text, {"usd": {1: 10.0, 2: 20.0}, "sds_1": {1: 30.0}})).axes
    curves = dict(drawn(panel))
    assert set(curves) == {"usd", "sds_1"}
    assert list(curves["usd"].get_xdata()) == [50, 200]
    assert list(curves["usd"].get_ydata()) == [15, 1.5]
    assert panel.get_xlabel() == "t"


def test_arms_along_an_axis_are_a_curve_a_line(tmp_path: Path):
    text = STUDY.replace(ARMS, LINES).replace("columns:", "axis: s\ncolumns:")
    panels = plot(compared(tmp_path, text, {"usd": {1: 10.0}, "sds_1": {1: 30.0}, "csd": {1: 5.0}})).axes
    curves = dict(drawn(panels[0]))
    assert list(curves["plain"].get_xdata()) == [1, 3]
    assert list(curves["plain"].get_ydata()) == [10, 30]
    assert list(curves["other"].get_ydata()) == [5]
    assert panels[1].get_xlabel() == "s"


@pytest.mark.parametrize("text", [STUDY, STUDY.replace(COLUMNS, ALONG), STUDY.replace(ARMS, LINES)])
def test_equal_values_and_arms_without_runs_can_be_drawn(tmp_path: Path, text: str):
    # The mean of three tenths is not a tenth to the last digit, so that an end can lie on its wrong side.
    comparison = compared(tmp_path, text, {"usd": {1: 0.1, 2: 0.1, 3: 0.1}})
    figure = plot(comparison)
    figure.savefig(tmp_path / "plot.png", dpi=40)
    assert (tmp_path / "plot.png").stat().st_size > 1000
