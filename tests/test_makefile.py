"""The Makefile's rules: what is stale is remade, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
STAGES = ("input", "field", "mesh")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile beside an image, a configuration, a prior and an environment that records what it is asked for."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for path, text in {
        "pyproject.toml": "",
        "constraints.txt": "",
        "examples/toy.png": "picture",
        "examples/toy.json": "{}",
        "configs/field.yaml": "steps: 1\n",
        "configs/presets/small.yaml": "steps: 2\n",
        "priors/nano/zero123/unet/weights.safetensors": "weights",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    command = tmp_path / ".venv" / "bin" / "viewdistill"
    command.parent.mkdir(parents=True)
    # Writes the files of the stage into the run folder: --out of `input`, the first argument of the others.
    command.write_text(
        '#!/bin/sh\nstage=$1; shift; echo "$stage $*" >> calls\n'
        "case $stage in input) run=$3;; *) run=$1;; esac\n"
        'mkdir -p "$run/$stage"; cd "$run/$stage"; [ "$stage" = summary ] ||\n'
        "touch rgba.png meta.json last.ckpt object.glb object.obj turntable.mp4 contact_sheet.png stage.json\n"
    )
    command.chmod(0o755)
    (tmp_path / ".venv" / ".installed").write_text("")
    age(tmp_path)
    return tmp_path


def age(project: Path) -> None:
    """Set the clock of everything that exists back, so that what is written next is clearly newer."""
    for path in project.rglob("*"):
        status = path.stat()
        os.utime(path, (status.st_atime - 60, status.st_mtime - 60))


def make(project: Path, *arguments: str) -> list[str]:
    """Run make and name the subcommands that it ran."""
    (project / "calls").unlink(missing_ok=True)
    result = subprocess.run(
        ["make", *arguments], cwd=project, capture_output=True, text=True, check=True, env=clean_environment()
    )
    assert result.stderr == ""
    calls = (project / "calls").read_text().splitlines() if (project / "calls").exists() else []
    age(project)
    return [call.split()[0] for call in calls]


def clean_environment() -> dict[str, str]:
    """The environment without what an outer make hands down."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def made(project: Path, *arguments: str) -> list[str]:
    """The stages that `make object` runs."""
    calls = make(project, "object", "IMG=examples/toy.png", *arguments)
    assert calls[-1] == "summary"
    return calls[:-1]


def test_all_stages_once_and_then_none(project: Path):
    assert made(project) == ["input", "field", "mesh"]
    assert made(project) == []


def test_a_changed_configuration_re_runs_the_field_and_what_follows(project: Path):
    made(project)
    (project / "configs/field.yaml").write_text("steps: 3\n")
    assert made(project) == ["field", "mesh"]
    assert made(project) == []


def test_a_touched_configuration_with_the_same_content_re_runs_nothing(project: Path):
    made(project)
    (project / "configs/field.yaml").touch()
    (project / "configs/presets/small.yaml").write_text("steps: 9\n")
    assert made(project) == []


def test_a_preset_counts_with_its_content(project: Path):
    made(project)
    assert made(project, "PRESET=small") == ["field", "mesh"]
    assert made(project, "PRESET=small") == []
    (project / "configs/presets/small.yaml").write_text("steps: 9\n")
    assert made(project, "PRESET=small") == ["field", "mesh"]


@pytest.mark.parametrize(
    ("setting", "stages"),
    [
        ("ELEVATION=20", ["input", "field", "mesh"]),
        ("SEED=1", ["field", "mesh"]),
        ("SET=--trainer.max_steps 7", ["field", "mesh"]),
        ("MESH=--faces 500", ["mesh"]),
    ],
)
def test_a_setting_re_runs_what_depends_on_it(project: Path, setting: str, stages: list[str]):
    made(project)
    assert made(project, setting) == stages
    assert made(project, setting) == []
    assert made(project) == stages


def test_settings_reach_the_command(project: Path):
    make(
        project,
        "object",
        "IMG=examples/toy.png",
        "ELEVATION=-5",
        "SEED=3",
        "PRESET=small",
        "SET=--a 1",
        "MESH=--faces 9",
    )
    make(
        project,
        "object",
        "IMG=examples/toy.png",
        "ELEVATION=20",
        "SEED=3",
        "PRESET=small",
        "SET=--a 1",
        "MESH=--faces 9",
    )
    assert [line.rstrip() for line in (project / "calls").read_text().splitlines()] == [
        "input examples/toy.png --out runs/toy --elevation=20",
        "field runs/toy --config=configs/presets/small.yaml --seed=3 --a 1",
        "mesh runs/toy --faces 9",
        "summary runs/toy",
    ]


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("examples/toy.png", ["input", "field", "mesh"]),
        ("examples/toy.json", ["input", "field", "mesh"]),
        ("priors/nano/zero123/unet/weights.safetensors", ["field", "mesh"]),
        ("constraints.txt", []),
    ],
)
def test_a_newer_file_re_runs_what_reads_it(project: Path, path: str, stages: list[str]):
    made(project)
    (project / path).touch()
    if path == "constraints.txt":
        (
            project / ".venv/.installed"
        ).touch()  # the environment was made again, which is no reason to do so with objects
    assert made(project) == stages


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("mesh/object.glb", ["mesh"]),
        ("mesh/stage.json", ["mesh"]),
        ("field/stage.json", ["field", "mesh"]),
        ("field/last.ckpt", ["field", "mesh"]),
        ("input/rgba.png", ["input", "field", "mesh"]),
    ],
)
def test_a_missing_file_is_made_again_with_what_follows(project: Path, path: str, stages: list[str]):
    made(project)
    (project / "runs/toy" / path).unlink()
    assert made(project) == stages


def test_a_stage_that_fails_is_run_again_and_its_checkpoint_is_kept(project: Path):
    made(project)
    command = project / ".venv/bin/viewdistill"
    working = command.read_text()
    # Dies in the field stage, as with kill -9: the record is gone, and a new checkpoint is there.
    command.write_text(
        '#!/bin/sh\n[ "$1" = field ] || exit 0\ncd "$2/field"; rm stage.json; echo new > last.ckpt; kill -9 $$\n'
    )
    arguments = ["make", "object", "IMG=examples/toy.png", "SEED=1"]
    result = subprocess.run(arguments, cwd=project, capture_output=True, check=False, env=clean_environment())
    assert result.returncode == 2
    assert (project / "runs/toy/field/last.ckpt").read_text() == "new\n"
    command.write_text(working)
    age(project)
    assert made(project) == ["field", "mesh"]  # also with the old settings, whose record the failed run has removed
    assert made(project) == []


def test_another_image_has_its_own_folder_and_runs_may_be_elsewhere(project: Path):
    made(project)
    shutil.copy(project / "examples/toy.png", project / "my red toy#1.png")
    calls = make(project, "object", "IMG=my red toy#1.png", "RUNS=elsewhere")
    assert calls == ["input", "field", "mesh", "summary"]
    assert (project / "elsewhere/my_red_toy_1/mesh/stage.json").exists()
    assert make(project, "object", "IMG=my red toy#1.png", "RUNS=elsewhere") == ["summary"]


def test_no_image_and_a_missing_image(project: Path):
    arguments = ["make", "object"]
    result = subprocess.run(
        arguments, cwd=project, capture_output=True, text=True, check=False, env=clean_environment()
    )
    assert result.returncode == 2
    assert "make object IMG=examples/robot.png" in result.stderr
    assert result.stderr.count("\n") == 1
    # The command and not make says what is wrong with a missing image.
    command = project / ".venv/bin/viewdistill"
    command.write_text('#!/bin/sh\necho "viewdistill $1: $2: no such file" >&2; exit 2\n')
    arguments = ["make", "object", "IMG=none.png"]
    result = subprocess.run(
        arguments, cwd=project, capture_output=True, text=True, check=False, env=clean_environment()
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[0] == "viewdistill input: none.png: no such file"
    assert len(result.stderr.splitlines()) == 2  # make's own closing line
    assert not (project / "runs").exists()


def test_the_environment_is_made_when_missing_or_older_than_the_pins(project: Path):
    def planned(*arguments: str) -> str:
        command = ["make", "-n", f"PYTHON={sys.executable}", *arguments]
        return subprocess.run(
            command, cwd=project, capture_output=True, text=True, check=True, env=clean_environment()
        ).stdout

    assert "pip install" not in planned("test")
    (project / "constraints.txt").write_text("new")
    assert "pip install" in planned("test")
    (project / ".venv/.installed").unlink()
    for target in ("test", "lint", "bench", "examples", "setup"):
        assert "-c constraints.txt -e '.[dev]'" in planned(target), target
    assert "-c constraints.txt -e '.[dev]'" in planned("object", "IMG=examples/toy.png")


def test_help_explains_every_target(project: Path):
    result = subprocess.run(["make"], cwd=project, capture_output=True, text=True, check=True, env=clean_environment())
    for target in ("setup", "object", "examples", "objects-preview", "priors", "test", "lint", "bench", "clean"):
        assert f"  make {target} " in result.stdout


def test_clean_keeps_the_runs(project: Path):
    made(project)
    subprocess.run(["make", "clean"], cwd=project, check=True, env=clean_environment())
    assert not (project / ".venv").exists()
    assert (project / "runs/toy/mesh/stage.json").exists()
