"""Runs side by side: which settings are shown, figures, missing ones, and the picture of the curves."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands.reporting import compare
from commands.reporting.comparison import flattened
from datamodules.runs.curves import CurveRow, save_rows
from datamodules.runs.run_folder import RunFolder, write_json
from tests.reported_run import box_mesh, complete_run
from viewdistill.errors import ViewDistillError


@pytest.fixture
def two_runs(run_folder: RunFolder) -> tuple[RunFolder, RunFolder]:
    """Two complete runs that differ in one setting of the field; the second has no mesh."""
    complete_run(run_folder, box_mesh())
    other = RunFolder(run_folder.root.with_name("other"))
    shutil.copytree(run_folder.root, other.root)
    text = run_folder.config("field").read_text().replace(str(run_folder.root), str(other.root))
    other.config("field").write_text(text.replace("0.1", "0.3"))
    for stage in ("specialize_1", "specialize_2", "surface"):
        other.config(stage).write_text(other.config(stage).read_text().replace(str(run_folder.root), str(other.root)))
    other.record("mesh").unlink()
    save_rows(other.curves("field"), [CurveRow(step, {"loss": 1.0}) for step in range(5)])
    return run_folder, other


def compared(folders: tuple[RunFolder, ...], out: Path | None = None) -> None:
    compare.run(compare.Request(run_folders=tuple(folder.root for folder in folders), out=out))


def rows(printed: str) -> dict[str, list[str]]:
    """Cells of the printed table by the first one."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in cells}


def test_differences_costs_and_figures_stand_side_by_side(
    two_runs: tuple[RunFolder, RunFolder], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "400")
    compared(two_runs)
    printed = capsys.readouterr().out
    found = rows(printed)
    assert found["field.model.rate"] == ["0.1", "0.3"]
    assert not any("model.run" in name or "seed" in name for name in found)
    assert found["field: loss"] == ["0.125", "0.125"]
    assert found["all"] == ["100", "87.5"]
    assert found["largest"] == ["1500", "1500"]
    assert found["watertight"] == ["no", "–"]
    picture = two_runs[0].root.with_name("comparison.png")
    assert f"curves: {picture}" in printed
    assert np.asarray(Image.open(picture)).std() > 5


def test_without_curves_there_is_no_picture(two_runs: tuple[RunFolder, RunFolder], tmp_path: Path):
    for folder in two_runs:
        for path in folder.root.glob("*/curves.csv"):
            path.unlink()
    compared(two_runs, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_nested_settings_become_dotted_names():
    content = {"a": {"b": 1, "c": [1, 2]}, "callbacks": [{"class_path": "x"}, {"class_path": "y"}], "none": None}
    assert flattened(content, "s") == {
        "s.a.b": 1,
        "s.a.c": "[1, 2]",
        "s.callbacks.0.class_path": "x",
        "s.callbacks.1.class_path": "y",
        "s.none": None,
    }


def test_problems_are_one_line(run_folder: RunFolder, tmp_path: Path):
    with pytest.raises(ViewDistillError, match="two runs or more"):
        compared((run_folder,))
    with pytest.raises(ViewDistillError, match="named twice"):
        compared((run_folder, run_folder))
    record = {"stage": "input", "seconds": 1.0, "peak_memory_mb": 1.0, "files": {}}
    write_json(run_folder.record("input"), record)
    with pytest.raises(ViewDistillError, match="none: no complete stage here"):
        compared((run_folder, RunFolder(tmp_path / "none")))
    run_folder.config("input").write_text("a: [")
    with pytest.raises(ViewDistillError, match=r"config\.yaml: not readable as YAML"):
        compared((run_folder, RunFolder(tmp_path / "none")))
