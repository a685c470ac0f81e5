"""The table of stages: orders, what a route needs, and the Makefile's copy of the arrows."""

import os
import subprocess
from pathlib import Path

import pytest

from commands.table import SUBCOMMANDS
from datamodules.runs.stages import STAGES, Route, Source, files_read
from viewdistill import resources

REPOSITORY = Path(__file__).parents[2]

ROUTES = [Route(source, words) for source in ("surface", "field") for words in (False, True)]


@pytest.mark.parametrize("route", ROUTES)
def test_every_stage_comes_after_what_it_needs(route: Route) -> None:
    done: set[str] = set()
    for stage in route.stages:
        assert done.issuperset(route.needs(stage)), stage
        done.add(stage)


def test_routes() -> None:
    assert Route().stages == tuple(name for name in STAGES if name != "picture")
    assert Route("field").stages == ("input", "field", "mesh", "report")
    assert Route("field", words=True).stages == ("picture", "input", "field", "mesh", "report")
    assert Route("field", projected=True).needs("mesh") == ("input", "field", "views")
    assert Route(projected=False).needs("mesh") == ("input", "surface")


def test_every_row_names_a_subcommand_and_a_shipped_configuration() -> None:
    for stage in STAGES.values():
        assert stage.subcommand[0] in SUBCOMMANDS
        assert stage.config is None or (resources.CONFIGS / stage.config).is_file()
        read = {pattern.split("/")[0] for pattern in stage.reads} - {"*"}
        needed = {*stage.needs, *(name for names in stage.needs_where.values() for name in names)}
        assert read <= needed, f"{stage.name} reads files of a stage that it does not need"


@pytest.mark.parametrize("route", ROUTES)
def test_the_makefile_has_the_same_arrows(route: Route, tmp_path: Path) -> None:
    subject = "TEXT=a mug" if route.words else "IMG=mug.png"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    (tmp_path / "bin").mkdir()
    said = subprocess.run(
        ["make", "-npq", "report", subject, f"SOURCE={route.source}", f"VENV={tmp_path}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    ).stdout
    rules: dict[str, set[str]] = {}
    for line in said.splitlines():
        target, colon, prerequisites = line.partition(":")
        if colon and target in STAGES and not prerequisites.startswith("="):
            rules[target] = set(prerequisites.partition("|")[0].split())
    assert rules.keys() == STAGES.keys()
    assert {stage: rules[stage] for stage in route.stages} == {stage: set(route.needs(stage)) for stage in route.stages}


@pytest.mark.parametrize(("source", "expected"), [("surface", ["surface/last.ckpt"]), ("field", ["field/last.ckpt"])])
def test_files_of_stages_off_the_route_are_not_read(tmp_path: Path, source: Source, expected: list[str]) -> None:
    for name in ("field", "surface"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.ckpt").touch()
        (tmp_path / name / "stage.json").touch()
    (tmp_path / "profile-field").mkdir()
    (tmp_path / "profile-field" / "stage.json").touch()
    found = files_read(tmp_path, "mesh", Route(source).needs("mesh"))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == expected
    records = files_read(tmp_path, "report", Route(source).needs("report"))
    assert [path.parent.name for path in records] == ["field", "surface"]
