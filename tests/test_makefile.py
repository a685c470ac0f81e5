"""The Makefile's rules: what is stale is remade, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FROM_VIEWS = ["views", "surface", "mesh", "report"]
FROM_NOVEL_VIEWS = ["novel_views", "specialize_1", "specialize_2", *FROM_VIEWS]
FROM_FIELD = ["field", *FROM_VIEWS]
STAGES = ["input", "field", "novel_views", "class_images", "specialize_1", "specialize_2", *FROM_VIEWS]


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
        "configs/surface.yaml": "steps: 1\n",
        "configs/presets/small/field.yaml": "steps: 2\n",
        "priors/nano/zero123/unet/weights.safetensors": "weights",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    command = tmp_path / ".venv" / "bin" / "viewdistill"
    command.parent.mkdir(parents=True)
    # Writes the files of the stage into the run folder: --out of `input`, the first argument of the others.
    command.write_text(
        '#!/bin/sh\nstage=$1; shift; echo "$stage $*" >> calls\n'
        "case $stage in picture|input) run=$3;; *) run=$1;; esac\n"
        'case "$*" in *--stage=1*) stage=specialize_1;; *--stage=2*) stage=specialize_2;; esac\n'
        "stage=$(echo $stage | tr - _)\n"
        '[ "$stage" = summary ] && exit; mkdir -p "$run/$stage"; cd "$run/$stage"\n'
        "case $stage in picture) touch picture.png picture.json candidates.png;;\n"
        "input) touch rgba.png meta.json;; field|surface) touch last.ckpt;;\n"
        "novel_views|views) touch cameras.json;; specialize_*) touch pytorch_lora_weights.safetensors;;\n"
        "mesh) touch object.glb object.obj object.stl turntable.mp4 contact_sheet.png;;\n"
        "report) touch report.html;; esac\n"
        "touch stage.json\n"
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
    return [stage_of(call) for call in calls]


def stage_of(call: str) -> str:
    """The stage that a recorded call of the command completes."""
    command = call.split()[0]
    if command == "specialize":
        return "specialize_1" if "--stage=1" in call else "specialize_2"
    return command.replace("-", "_")


def clean_environment() -> dict[str, str]:
    """The environment without what an outer make hands down."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def made(project: Path, *arguments: str) -> list[str]:
    """The stages that `make object` runs."""
    calls = make(project, "object", "IMG=examples/toy.png", *arguments)
    assert calls[-1] == "summary"
    return calls[:-1]


def test_all_stages_once_and_then_none(project: Path):
    assert made(project) == STAGES
    assert made(project) == []


def test_the_field_alone_needs_no_other_branch(project: Path):
    assert made(project, "SOURCE=field") == ["input", "field", "mesh", "report"]
    assert made(project) == STAGES[2:]
    assert made(project, "SOURCE=field") == ["mesh", "report"]
    # The refined views that lie there are of the other branch.
    make(project, "object", "IMG=examples/toy.png", "SOURCE=field", "MESH=--faces 9")
    assert "mesh runs/toy --source=field --no-projection --faces 9" in (project / "calls").read_text()


def test_independent_branches_run_at_once(project: Path):
    """The field waits until the novel views have begun, and they for the field: one after another, neither ends."""
    command = project / ".venv/bin/viewdistill"
    meet = """
case $1 in field) touch field_began; other=novel_views_began;; novel-views) touch novel_views_began; other=field_began;;
esac
for i in $(seq 100); do [ -z "$other" ] || [ -e "$other" ] && break; sleep 0.1; done
[ -z "$other" ] || [ -e "$other" ] || exit 1
"""
    command.write_text(command.read_text().replace("#!/bin/sh\n", "#!/bin/sh\n" + meet))
    assert sorted(made(project, "-j2")) == sorted(STAGES)


def test_a_changed_configuration_re_runs_its_stage_and_what_follows(project: Path):
    made(project)
    (project / "configs/field.yaml").write_text("steps: 3\n")
    assert made(project) == FROM_FIELD
    (project / "configs/surface.yaml").write_text("steps: 3\n")
    assert made(project) == ["surface", "mesh", "report"]
    assert made(project) == []


def test_a_dry_run_names_exactly_what_follows(project: Path):
    made(project)
    (project / "configs/surface.yaml").write_text("steps: 3\n")
    result = subprocess.run(
        ["make", "-n", "object", "IMG=examples/toy.png"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    commands = [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if "viewdistill" in line]
    assert [stage_of(command) for command in commands] == ["surface", "mesh", "report", "summary"]


def test_a_touched_configuration_with_the_same_content_re_runs_nothing(project: Path):
    made(project)
    (project / "configs/field.yaml").touch()
    (project / "configs/presets/small/field.yaml").write_text("steps: 9\n")
    assert made(project) == []


def test_a_preset_counts_with_its_content(project: Path):
    made(project)
    assert made(project, "PRESET=small") == FROM_FIELD
    assert made(project, "PRESET=small") == []
    (project / "configs/presets/small/field.yaml").write_text("steps: 9\n")
    assert made(project, "PRESET=small") == FROM_FIELD
    (project / "configs/presets/small/surface.yaml").write_text("steps: 9\n")
    assert made(project, "PRESET=small") == ["surface", "mesh", "report"]


@pytest.mark.parametrize(
    ("setting", "stages"),
    [
        ("ELEVATION=20", STAGES),
        ("CLASS=mug", STAGES),
        ("SEED=1", STAGES[1:]),
        ("FIELD=--trainer.max_steps 7", FROM_FIELD),
        ("NOVEL_VIEWS=--count 7", FROM_NOVEL_VIEWS),
        ("SPECIALIZE_2=--trainer.max_steps 7", ["specialize_2", *FROM_VIEWS]),
        ("MESH=--faces 500", ["mesh", "report"]),
    ],
)
def test_a_setting_re_runs_what_depends_on_it(project: Path, setting: str, stages: list[str]):
    made(project)
    assert made(project, setting) == stages
    assert made(project, setting) == []
    assert made(project) == stages


def test_settings_reach_the_commands(project: Path):
    (project / "my mask.png").write_text("mask")
    make(
        project,
        "object",
        "IMG=examples/toy.png",
        "MASK=my mask.png",
        "CLASS=toy robot",
        "ELEVATION=-5",
        "SEED=3",
        "PRESET=small",
        "FIELD=--a 1",
        "SURFACE=--b 2",
        "MESH=--faces 9",
    )
    assert [line.rstrip() for line in (project / "calls").read_text().splitlines()] == [
        "input examples/toy.png --out runs/toy --elevation=-5 --mask=my mask.png --class-word=toy robot",
        "field runs/toy --config=configs/presets/small/field.yaml --seed=3 --a 1",
        "novel-views runs/toy --seed=3",
        "class-images runs/toy --seed=3",
        "specialize runs/toy --seed=3 --stage=1",
        "specialize runs/toy --seed=3 --stage=2",
        "views runs/toy --seed=3",
        "surface runs/toy --seed=3 --b 2",
        "mesh runs/toy --source=surface --faces 9",
        "report runs/toy",
        "summary runs/toy",
    ]


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("examples/toy.png", STAGES),
        ("examples/toy.json", STAGES),
        ("priors/nano/zero123/unet/weights.safetensors", STAGES),
        ("constraints.txt", []),
    ],
)
def test_a_newer_file_re_runs_what_reads_it(project: Path, path: str, stages: list[str]):
    made(project)
    (project / path).touch()
    if path == "constraints.txt":
        # The environment was made again, which is no reason to do so with objects.
        (project / ".venv/.installed").touch()
    assert made(project) == stages


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("mesh/object.glb", ["mesh", "report"]),
        ("mesh/stage.json", ["mesh", "report"]),
        ("report/report.html", ["report"]),
        ("views/cameras.json", FROM_VIEWS),
        ("class_images/stage.json", ["class_images", "specialize_1", "specialize_2", *FROM_VIEWS]),
        ("field/stage.json", FROM_FIELD),
        ("field/last.ckpt", FROM_FIELD),
        ("input/rgba.png", STAGES),
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
    assert made(project) == FROM_FIELD  # also with the old settings, whose record the failed run has removed
    assert made(project) == []


def test_another_image_has_its_own_folder_and_runs_may_be_elsewhere(project: Path):
    made(project)
    shutil.copy(project / "examples/toy.png", project / "my red toy#1.png")
    calls = make(project, "object", "IMG=my red toy#1.png", "RUNS=elsewhere")
    assert calls == [*STAGES, "summary"]
    assert (project / "elsewhere/my_red_toy_1/mesh/stage.json").exists()
    assert make(project, "object", "IMG=my red toy#1.png", "RUNS=elsewhere") == ["summary"]


def test_words_in_place_of_an_image(project: Path):
    assert make(project, "object", "TEXT=a red mug") == ["picture", *STAGES, "summary"]
    calls = (project / "calls").read_text().splitlines()
    assert calls[0] == "picture a red mug --out runs/a_red_mug"
    assert calls[1] == "input runs/a_red_mug/picture/picture.png --out runs/a_red_mug"
    age(project)
    assert make(project, "object", "TEXT=a red mug") == ["summary"]
    assert make(project, "object", "TEXT=a red mug", "PICTURE=--index=2") == ["picture", *STAGES, "summary"]
    for arguments in (["TEXT=a red mug", "IMG=examples/toy.png"], ["TEXT="]):
        result = subprocess.run(
            ["make", "object", *arguments],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(),
        )
        assert result.returncode == 2
        assert "TEXT" in result.stderr
        assert result.stderr.count("\n") == 1


def test_several_texts_end_in_one_picture(project: Path):
    python = project / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "python $*" >> calls\n')
    python.chmod(0o755)
    one = ["picture", *STAGES, "summary"]
    assert make(project, "words", """TEXTS="a red mug" 'salt/pepper: 5%'""") == [*one, *one, "python"]
    drawn = (project / "calls").read_text().splitlines()[-1]
    assert drawn == "python -m experiments.gallery runs/a_red_mug runs/salt_pepper__5_ --out docs/words.png"
    assert all((project / run / "mesh/stage.json").exists() for run in ("runs/a_red_mug", "runs/salt_pepper__5_"))


def test_looking_on_is_no_setting(project: Path):
    make(project, "object", "IMG=examples/toy.png", "VIEW=1")
    calls = (project / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls if "--live" in call] == ["field", "surface"]
    assert made(project) == []


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
