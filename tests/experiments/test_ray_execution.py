"""Ablations on a real Ray cluster of two workers, one of which dies."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from commands.scaling.cluster import Share
from datamodules.runs.run_folder import read_json
from experiments.running.ray_execution import run_stage, slots
from tests.processes import ended, wait_for, worker_of
from viewdistill.resources import REPOSITORY

STUDY = """\
id: tiny
question: Does everything arrive?
reference: none
stages: [input, field]
field_views: true
options:
  field: [--trainer.accelerator=cpu, --trainer.logger=false, --trainer.max_steps=60, --trainer.limit_val_batches=0]
columns:
  - {name: PSNR, figure: views/field/psnr, better: higher}
arms:
  none: {options: {field: [--model.init_args.guidance.method=none]}}
"""


def ablation(study: Path, runs: Path, priors: Path) -> "subprocess.Popen[str]":
    """The study on two objects by two workers, in a process of its own."""
    options = [str(study), "--quick", "--objects=2", "--preset=debug", "--jobs=2", f"--out={runs}"]
    options += [f"--view-prior={priors / 'zero123'}"]
    options += [f"--text-prior={priors / 'stable-diffusion'}"]
    command = [sys.executable, "-m", "experiments.running.ablate", *options]
    pipes: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
        "start_new_session": True,
    }
    return subprocess.Popen(command, cwd=REPOSITORY, **pipes)


@pytest.mark.slow
def test_a_killed_workers_stage_is_finished_by_another(tmp_path: Path, tiny_prior_folder: Path) -> None:
    study, runs = tmp_path / "tiny.yaml", tmp_path / "runs"
    study.write_text(STUDY)
    with ended(ablation(study, runs, tiny_prior_folder)) as process:
        wait_for(lambda: list(runs.glob("stages/field-*/field/last.ckpt")), process)
        stage = next(runs.glob("stages/field-*/field/last.ckpt")).parents[1]
        worker_of(process, stage / "log.txt").kill()
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "2 of 2 runs have scores; 4 stages served 4" in output
    resumed = [log.parent for log in runs.glob("stages/field-*/log.txt") if "resuming after step" in log.read_text()]
    assert resumed == [stage]
    scores = sorted(runs.glob("tiny/none/*/scores.json"))
    assert [read_json(path)["object"] for path in scores] == [10000000, 10000001]


def test_what_a_stage_says_and_how_it_ends_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "HF_HUB_DISABLE_PROGRESS_BARS", "WANDB_MODE"):
        monkeypatch.setenv(variable, "1" if variable != "WANDB_MODE" else "disabled")
    log = tmp_path / "log.txt"
    assert run_stage(["mesh", "nowhere"], str(log), str(tmp_path), 1) == 2
    (line,) = log.read_text().splitlines()
    assert line.startswith("viewdistill mesh: ")
    assert run_stage(["mesh", "nowhere", "--faces=many"], str(log), str(tmp_path), 1) == 2
    assert "--faces" in log.read_text().splitlines()[-1]


def test_a_machine_has_room_for_whole_workers() -> None:
    assert slots({"CPU": 7.0}, Share(2, 0.0)) == 3
    assert slots({"CPU": 7.0, "GPU": 2.0}, Share(1, 1.0)) == 2
    assert slots({"CPU": 1.0, "GPU": 8.0}, Share(1, 0.5)) == 1
    assert slots({}, Share(2, 0.0)) == 0


@pytest.mark.slow
def test_a_dead_cluster_ends_the_ablation_in_one_line(tmp_path: Path, tiny_prior_folder: Path) -> None:
    study, runs = tmp_path / "tiny.yaml", tmp_path / "runs"
    study.write_text(STUDY)
    with ended(ablation(study, runs, tiny_prior_folder)) as process:
        wait_for(lambda: list(runs.glob("stages/field-*/field/last.ckpt")), process)
        (head,) = (child for child in psutil.Process(process.pid).children() if child.name() == "gcs_server")
        head.kill()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "the head of the Ray cluster on this machine has died (its gcs_server ended)" in output
    assert "Traceback" not in output
