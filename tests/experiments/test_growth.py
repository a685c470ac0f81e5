"""Costs as a table and a picture."""

import csv
from pathlib import Path

import numpy as np

from experiments.measurements.growth import OBJECTS, Cost, plot, write

COSTS = [
    Cost("novel views a step", 1, 0.1, 900.0),
    Cost("novel views a step", 2, 0.15, 950.0),
    Cost(OBJECTS, 1, 20.0, None, 1),
    Cost(OBJECTS, 2, 40.0, None, 1),
    Cost(OBJECTS, 2, 22.0, None, 2),
]


def test_what_was_measured_is_written(tmp_path: Path) -> None:
    write(COSTS, tmp_path)
    with (tmp_path / "growth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["varied"], row["value"], row["workers"]) for row in rows][-1] == (OBJECTS, "2", "2")
    assert rows[0]["peak_memory_mb"] == "900.0"
    assert rows[-1]["peak_memory_mb"] == ""
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"growth.csv", "growth.png"}


def test_a_panel_for_everything_that_is_varied_and_a_line_for_each_number_of_workers() -> None:
    views, memory, objects = plot(COSTS).axes[0], plot(COSTS).axes[-1], plot(COSTS).axes[1]
    assert np.asarray(views.lines[0].get_ydata()).tolist() == [0.1, 0.15]
    assert np.asarray(memory.lines[0].get_ydata()).tolist() == [900.0, 950.0]
    assert [line.get_label() for line in objects.lines] == ["1 worker", "2 workers"]
