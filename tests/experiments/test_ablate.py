"""The runner on a real study of tiny fits: stages shared, failures recorded, nothing run twice; and its options."""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from commands.main import main as viewdistill
from datamodules.runs.run_folder import read_json
from experiments.reporting.tables import tables
from experiments.running.ablate import ablate, load_studies, main
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

STUDY = """\
id: tiny
question: Does everything run?
reference: none
stages: [input, field, bias]
field_views: true
options:
  field: [--trainer.accelerator=cpu, --trainer.logger=false, --trainer.max_steps=2, --trainer.limit_val_batches=0]
  bias: ["--prior={text_prior}", --draws=2, --steps=2]
columns:
  - {name: PSNR, figure: views/field/psnr, better: higher}
  - {name: bias, figure: bias/norm/200, better: lower}
arms:
  none: {options: {field: [--model.init_args.guidance.method=none]}}
  same: {options: {field: [--model.init_args.guidance.method=none, --model.init_args.weights.sparsity=10]}}
  wrong: {options: {field: [--trainer.precision=64-true]}}
"""


class Commands:
    """Runs subcommands in this process, which spares their imports, and remembers their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, command: list[str], log: Path) -> int:
        self.names.append(command[0])
        with log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
            return viewdistill(command)


@pytest.fixture
def run(tmp_path: Path, tiny_prior_folder: Path) -> Callable[..., int]:
    """Runs the study."""
    study = tmp_path / "tiny.yaml"
    study.write_text(STUDY)
    options = [str(study), "--quick", "--objects=1", "--preset=debug", "--jobs=1", f"--out={tmp_path / 'runs'}"]
    options += [f"--view-prior={tiny_prior_folder / 'zero123'}"]
    options += [f"--text-prior={tiny_prior_folder / 'stable-diffusion'}"]
    return lambda commands: ablate(options, commands)


def test_a_study_from_its_file_to_its_table(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    commands, runs = Commands(), tmp_path / "runs"
    assert run(commands) == 1
    # Two arms say the same in other words; the third's field fails, and with it only what needs it.
    assert sorted(commands.names) == sorted(["input", "field", "field", "bias", "evaluate", "evaluate"])
    said = capsys.readouterr().out
    assert "2 of 3 runs have scores" in said
    assert "1 runs failed: field: " in said
    scores = read_json(runs / "tiny" / "none" / "10000000-seed0" / "scores.json")
    assert 3 < scores["figures"]["views/field/psnr"] < 40
    assert scores["figures"]["bias/norm/200"] > 0
    assert scores["costs"]["field"]["peak_memory_mb"] > 10
    failed = read_json(runs / "tiny" / "wrong" / "10000000-seed0" / "failed.json")
    assert failed["stage"] == "field"
    assert "64-true" in failed["message"]

    # What is complete stays, what failed is tried again; so is a stage that was lost, with the scores that need it.
    (done,) = (path for path in (runs / "stages").glob("bias-*/done.json"))
    done.unlink()
    (runs / "tiny" / "same" / "10000000-seed0" / "scores.json").unlink()
    again = Commands()
    assert run(again) == 1
    assert sorted(again.names) == ["bias", "evaluate", "field"]

    tables([str(tmp_path / "tiny.yaml"), f"--runs={runs}"])
    text = (runs / "tables" / "tiny.md").read_text()
    (same,) = (line for line in text.splitlines() if line.startswith("| same | 1 "))
    (wrong,) = (line for line in text.splitlines() if line.startswith("| wrong | 0 "))
    assert "; +0.000 |" in same
    assert wrong.startswith("| wrong | 0 | 0 | 1 | n/a |")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--objects=7"], "7 objects with 2 seeds are too few for a result: 8 and 2 at least; say --quick for a look"),
        (["--seeds=1"], "8 objects with 1 seeds are too few"),
        (["--preset=none"], "none: no such preset"),
        (["A99"], "A99.yaml: no such study"),
        (
            [str(REPOSITORY / "experiments" / "pipeline.yaml"), "--objects=40"],
            "pipeline has 12 objects; ask for no more",
        ),
        (["--view-prior=/nowhere"], "/nowhere: no such prior folder"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_run(tmp_path: Path, options: list[str], message: str):
    commands = Commands()
    with pytest.raises(ViewDistillError, match=message):
        ablate([*options, f"--out={tmp_path / 'runs'}"], commands)
    assert commands.names == []
    assert not (tmp_path / "runs").exists()


def test_a_setting_that_does_not_exist_is_said_before_anything_is_run(run: Callable[..., int], tmp_path: Path):
    study = tmp_path / "tiny.yaml"
    study.write_text(STUDY.replace("--trainer.precision=64-true", "--model.init_args.guidance.method=magic"))
    commands = Commands()
    with pytest.raises(ViewDistillError, match=r"model\.guidance\.method is magic"):
        run(commands)
    assert commands.names == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--jobs=0", "--jobs: 0: must be an integer from 1 to 10,000"),
        ("--skip=-1", "--skip: -1: must be an integer from 0 to "),
    ],
)
def test_counts_out_of_range_are_refused(option: str, message: str, capsys: pytest.CaptureFixture[str]):
    commands = Commands()
    with pytest.raises(SystemExit) as stop:
        ablate([option], commands)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert commands.names == []


def test_errors_are_one_line_and_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["ablate", "--preset=none"])
    assert main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ablate: ")


def test_all_shipped_studies_are_the_default():
    assert [study.id for study in load_studies([])] == [f"A{number}" for number in range(1, 9)]
