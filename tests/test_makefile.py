"""The Makefile: values reach commands as they were typed, and the arrows between stages hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.makefile_project import make_project

STAGES = [
    *("input", "field", "novel_views", "class_images", "specialize_1", "specialize_2"),
    *("views", "surface", "mesh", "report"),
]
ODD = [
    *(
        "my red toy#1.png",
        "it's.png",
        'a "b".png',
        "$(touch pwned).png",
        "`touch pwned`.png",
        "$(shell touch pwned).png",
    ),
    *(
        "a;touch pwned.png",
        "a|b&c.png",
        "a:b%c.png",
        "tab\there.png",
        "new\nline.png",
        "$HOME$$.png",
        "-x.png",
        "a\\b*?.png",
    ),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile beside an environment whose commands record what they are asked for."""
    make_project(tmp_path)
    return tmp_path


def run(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make."""
    (project / "calls").unlink(missing_ok=True)
    return subprocess.run(
        ["make", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment() | environment,
    )


def calls(project: Path) -> list[list[str]]:
    """The commands that the last `run` called, with their arguments."""
    path = project / "calls"
    text = path.read_bytes().decode() if path.exists() else ""
    return [call.split("\037")[:-1] for call in text.split("\036")[:-1]]


def make(project: Path, *arguments: str, **environment: str) -> list[list[str]]:
    """Run make without complaints, and return what it called."""
    result = run(project, *arguments, **environment)
    assert (result.returncode, result.stderr) == (0, "")
    return calls(project)


def clean_environment() -> dict[str, str]:
    """The environment without what an outer make hands down."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def test_an_object_is_one_call(project: Path):
    (call,) = make(project, "object", "IMG=examples/toy.png")
    assert call == ["viewdistill", "object", "--runs=runs", "--source=surface", "--", "examples/toy.png"]
    (call,) = make(
        project, "object", "TEXT=a red mug", "SOURCE=field", "VIEW=1", "PICTURE=--index=2", "RUNS=else where"
    )
    assert call == [
        *("viewdistill", "object", "--runs=else where", "--text=a red mug", "--source=field"),
        *("--options=PICTURE=--index=2", "--live"),
    ]


def test_settings_reach_the_command(project: Path):
    settings = {"MASK": "my mask.png", "CLASS": "toy robot", "ELEVATION": "-5", "SEED": "3", "PRESET": "small"}
    more = {"FIELD": "--a 1", "SURFACE": "--b 'x y'", "MESH": "--faces 9"}
    (call,) = make(project, "object", "IMG=a.png", *(f"{name}={value}" for name, value in {**settings, **more}.items()))
    assert call[2:] == [
        *(
            "--runs=runs",
            "--mask=my mask.png",
            "--class-word=toy robot",
            "--elevation=-5",
            "--preset=small",
            "--seed=3",
        ),
        *("--source=surface", "--options=FIELD=--a 1", "--options=SURFACE=--b 'x y'", "--options=MESH=--faces 9"),
        *("--", "a.png"),
    ]


@pytest.mark.parametrize("value", ODD)
def test_no_value_is_expanded_or_run(project: Path, value: str):
    for given in ({"IMG": value}, {}):
        arguments = ["object"] if given else ["object", f"IMG={value}"]
        (call,) = make(project, *arguments, **given)
        assert call[-2:] == ["--", value]
    names = ("MASK", "CLASS", "PRESET", "FIELD", "RUNS")
    (call,) = make(project, "object", f"TEXT={value}", *(f"{name}={value}" for name in names))
    options = ("runs", "text", "mask", "class-word", "preset", "options=FIELD")
    assert {f"--{option}={value}" for option in options} <= set(call)
    for target, variable in (
        ("view", "OBJ"),
        ("sync", "OBJ"),
        ("evaluate", "OBJ"),
        ("profile", "OBJ"),
        ("objects", "IMGS"),
    ):
        (call,) = make(project, target, f"{variable}={value}")
        assert call[-1] == (value if target == "objects" else f"runs/{value}")
    make(project, "compare", f"RUNS={value}")
    make(project, "ablations", f"ONLY={value}", f"ABLATE={value}")
    make(project, "test", f"TESTS={value}", f"WORKERS={value}")
    assert not (project / "pwned").exists()


@pytest.mark.parametrize(
    ("preset", "overlays"),
    [("nano", []), ("", []), ("zero123-xl/12gb", ["zero123-xl", "zero123-xl/12gb"])],
)
def test_a_profile_takes_the_overlays_of_its_preset(project: Path, preset: str, overlays: list[str]):
    (call,) = make(project, "profile", "OBJ=toy", f"PRESET={preset}")
    found = [word for word in call if word.startswith("--config=")]
    assert found == [f"--config=configs/presets/{overlay}/field.yaml" for overlay in overlays]


def test_side_by_side_every_stage_is_a_call_after_what_it_reads(project: Path):
    """The field waits until the novel views have begun, and they for the field: one after another, neither ends."""
    command = project / ".venv/bin/viewdistill"
    meet = """
case "$*" in
*--only=field*) touch field_began; other=novel_began;;
*--only=novel*) touch novel_began; other=field_began;;
esac
for i in $(seq 100); do [ -z "$other" ] || [ -e "$other" ] && break; sleep 0.1; done
[ -z "$other" ] || [ -e "$other" ] || exit 1
"""
    command.write_text(command.read_text().replace("#!/bin/sh\n", "#!/bin/sh\n" + meet))
    made = [
        next((w for w in call if w.startswith("--only=")), "") for call in make(project, "-j2", "object", "IMG=a.png")
    ]
    assert sorted(made) == sorted([*(f"--only={stage}" for stage in STAGES), ""])
    assert made[-1] == ""
    assert made.index("--only=views") > max(made.index("--only=field"), made.index("--only=specialize_2"))
    assert [call[-3] for call in make(project, "-j2", "field", "IMG=a.png")] == ["--only=input", "--only=field"]


def test_a_stage_that_fails_stops_what_follows(project: Path):
    command = project / ".venv/bin/viewdistill"
    command.write_text(command.read_text() + 'case "$*" in *--only=surface*) exit 3;; esac\n')
    result = run(project, "-j2", "object", "IMG=a.png")
    assert result.returncode == 2
    assert not any("--only=mesh" in call for call in calls(project))


def test_a_dry_run_asks_the_command_what_it_would_do(project: Path):
    (call,) = make(project, "-n", "object", "IMG=$(touch pwned).png")
    assert call[-3:] == ["--dry-run", "--", "$(touch pwned).png"]
    result = run(project, "-n", "-j2", "object", "IMG=a.png")
    assert [f"--only={stage}" in result.stdout for stage in STAGES] == [True] * len(STAGES)
    assert [call[-3] for call in calls(project)] == ["--dry-run"]


def test_several_texts_end_in_one_picture(project: Path):
    *texts, picture = make(project, "words", """TEXTS="a red mug" 'salt/pepper: 5%'""")
    assert [call[-1] for call in texts] == ["--text=a red mug", "--text=salt/pepper: 5%"]
    assert picture[1:] == [
        *("-m", "experiments.reporting.gallery", "runs/a_red_mug", "runs/salt_pepper__5_", "--out", "docs/words.png")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["object"], "make object IMG=examples/robot.png"),
        (["object", "TEXT="], "TEXT="),
        (["object", "TEXT=a mug", "IMG=a.png"], "IMG and TEXT both"),
        (["objects"], "make objects IMGS=photos/"),
        (["view"], "make view OBJ=robot"),
        (["evaluate"], "make evaluate OBJ=robot"),
        (["sync"], "make sync OBJ=robot"),
        (["object", "IMG=a.png", "VENV=my env"], "VENV cannot have spaces"),
        (["object", "IMG=a.png", "VENV=$(shell touch pwned)"], "VENV cannot have spaces"),
    ],
)
def test_what_is_missing_is_named(project: Path, arguments: list[str], said: str):
    result = run(project, *arguments)
    assert result.returncode == 2
    assert said in result.stderr.splitlines()[0]
    assert len(result.stderr.splitlines()) <= 2  # make's own closing line
    assert calls(project) == []
    assert not (project / "pwned").exists()


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
    (project / "runs/toy/mesh").mkdir(parents=True)
    (project / "runs/toy/mesh/stage.json").touch()
    subprocess.run(["make", "clean"], cwd=project, check=True, env=clean_environment())
    assert not (project / ".venv").exists()
    assert (project / "runs/toy/mesh/stage.json").exists()
