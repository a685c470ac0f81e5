"""Finished runs as offline runs of W&B, read back with W&B's own reader."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.reporting.wandb_group import track
from tests.experiments.finished_runs import PRIOR, STUDY, write_run
from viewdistill.errors import ViewDistillError


@pytest.fixture
def study(tmp_path: Path) -> str:
    (tmp_path / "toy.yaml").write_text(STUDY)
    return str(tmp_path / "toy.yaml")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are kept on disk, as they are by default."""
    import wandb

    monkeypatch.delenv("WANDB_MODE")
    yield
    wandb.teardown()


def kept(folder: Path) -> dict[str, Any]:
    """Name, group, job type, settings and last values of an offline run."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    found: dict[str, Any] = {"summary": {}}
    for record in records:
        if record["type"] == "run":
            found |= record["run"]
        if record["type"] == "summary":
            found["summary"] |= record["summary"].get("update", {})
    return found


@pytest.mark.usefixtures("offline")
def test_a_study_is_a_group_of_its_runs(tmp_path: Path, study: str, capsys: pytest.CaptureFixture[str]):
    runs = tmp_path / "runs"
    write_run(runs, "usd", 1, 0, {"views/field/psnr": 20.5, "geometry/surface/chamfer": None})
    write_run(runs, "former arm", 1, 0, {})
    track([study, f"--runs={runs}"])
    assert capsys.readouterr().out == f"1 of 1 runs kept in {runs}/wandb; groups toy\n"
    (folder,) = (runs / "wandb").glob("offline-run-*")
    found = kept(folder)
    assert (found["display_name"], found["run_group"], found["job_type"]) == ("usd 1-seed0", "toy-abababab", "usd")
    settings = found["config"]["update"]
    assert (settings["arm"], settings["object"], settings["seed"], settings["prior"]) == ("usd", 1, 0, PRIOR)
    assert settings["options"]["field"] == ["--model.init_args.guidance.method=usd"]
    assert found["summary"]["views/field/psnr"] == 20.5
    assert found["summary"]["cost/field/seconds"] == 60
    assert "geometry/surface/chamfer" not in found["summary"]

    # Once more, with one run more: only that is new.
    write_run(runs, "sds_1", 1, 0, {})
    track([study, f"--runs={runs}"])
    assert capsys.readouterr().out.startswith("1 of 2 runs kept in")


def test_nothing_to_keep_is_an_error(tmp_path: Path, study: str):
    with pytest.raises(ViewDistillError, match="no scores of toy; run `make ablations` first"):
        track([study, f"--runs={tmp_path}"])


def test_a_mode_that_keeps_nothing_is_an_error(tmp_path: Path, study: str):
    write_run(tmp_path / "runs", "usd", 1, 0, {})
    with pytest.raises(ViewDistillError, match="WANDB_MODE=disabled keeps nothing"):
        track([study, f"--runs={tmp_path / 'runs'}"])
