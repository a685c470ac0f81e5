"""Curves of a fit: what is in the table, and that a resumed fit has that of an undisturbed one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from callbacks.step_progress import StepProgress
from commands.stages.fitting import StageRun, fit
from datamodules.runs.curves import CurveRow, load_curves, load_rows, save_rows
from datamodules.runs.run_folder import make_folder
from viewdistill.errors import ViewDistillError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A toy fit of 13 steps with a checkpoint every 5 that logs every 3."""
    trainer: dict[str, Any] = {"max_steps": 13, "accelerator": "cpu", "logger": False, "log_every_n_steps": 3}
    trainer |= {"enable_model_summary": False, "callbacks": [{"class_path": "callbacks.curves.Curves"}]}
    content = {
        "trainer": trainer,
        "checkpoint_every": 5,
        "model": {"class_path": "tests.commands.stages.toy_stage.ToyModel"},
        "data": {"class_path": "tests.commands.stages.toy_stage.ToyData"},
    }
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def run(folder: Path, config: Path) -> dict[str, Any]:
    return fit(StageRun(folder, "toy"), [f"--config={config}"])


def test_rows_are_what_was_logged_every_third_step_and_at_the_last(tmp_path: Path, config: Path):
    figures = run(tmp_path / "a" / "toy", config)
    rows = load_rows(tmp_path / "a" / "toy" / "curves.csv")
    assert [row.step for row in rows] == [3, 6, 9, 12, 13]
    assert rows[-1].metrics["loss"] == figures["metrics"]["loss"]
    assert len({row.metrics["loss"] for row in rows}) == 5


def test_a_resumed_fit_leaves_the_table_of_an_undisturbed_one(tmp_path: Path, config: Path):
    run(tmp_path / "a" / "toy", config)
    undisturbed = tmp_path / "a" / "toy" / "curves.csv"
    table = tmp_path / "b" / "toy" / "curves.csv"
    stop = make_folder(tmp_path / "b") / "stop"
    stop.write_text("")
    with pytest.raises(KeyboardInterrupt):
        run(table.parent, config)  # at step 7; the last checkpoint is of step 5
    stop.unlink()
    # As a process leaves it that was killed between the table and its checkpoint.
    save_rows(table, [*load_rows(table), CurveRow(99, {"loss": 1.0})])
    assert run(table.parent, config)["resumed_from_step"] == 5
    assert table.read_bytes() == undisturbed.read_bytes()
    run(table.parent, config)  # nothing left to do
    assert table.read_bytes() == undisturbed.read_bytes()


def test_metrics_may_come_late(tmp_path: Path):
    rows = [CurveRow(1, {"a": 0.1}), CurveRow(2, {"a": float("nan"), "b/c": 1e-30})]
    save_rows(tmp_path / "curves.csv", rows)
    assert (tmp_path / "curves.csv").read_text() == "step,a,b/c\n1,0.1,\n2,nan,1e-30\n"
    curves = load_curves(tmp_path / "curves.csv")
    assert (curves["a"].steps, curves["b/c"].steps, curves["b/c"].values) == ((1, 2), (2,), (1e-30,))
    assert load_curves(tmp_path / "none.csv") == {}


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "step,a\n1\n", "step,a\nx,1\n", "step,a\n1,high\n", "\0"])
def test_a_damaged_table_is_named(tmp_path: Path, content: str):
    (tmp_path / "curves.csv").write_text(content)
    with pytest.raises(ViewDistillError, match=r"curves\.csv: .*; delete it"):
        load_rows(tmp_path / "curves.csv")


def test_a_fit_without_epochs_shows_none() -> None:
    assert StepProgress()._get_train_description(0) == "Steps"
