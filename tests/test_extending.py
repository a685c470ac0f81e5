"""docs/extending.md against the code: its settings are resolved, its classes imported, its rows of tables built."""

import argparse
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from commands.pipeline.recipe import Recipe
from commands.stages.job import StageJob
from commands.table import Subcommand
from datamodules.runs.stages import STAGES, Stage
from experiments.running.plan import Planner, Priors
from experiments.running.studies import Study
from lightning_modules.field_settings import LossWeights
from viewdistill.resources import REPOSITORY

TEXT = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))


def blocks(section: str, language: str) -> list[str]:
    """Code of one language in a section."""
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.DOTALL | re.MULTILINE)


def imported(code: str, name: str) -> ModuleType:
    """Code as a module, unknown to others."""
    module = ModuleType(name)
    exec(compile(code, f"extending.md: {name}", "exec"), module.__dict__)
    return module


def test_every_block_belongs_to_a_test_below() -> None:
    found = {name: re.findall(r"^```(\w+)$", text, re.MULTILINE) for name, text in SECTIONS.items()}
    assert found == {
        "A guidance method": ["python", "yaml"],
        "A prior": ["yaml", "python", "yaml"],
        "A loss": ["diff"],
        "A stage": ["diff", "python"],
        "An ablation": ["yaml"],
    }


@pytest.mark.parametrize(("section", "number"), [("A guidance method", 0), ("A prior", 0), ("A prior", 1)])
def test_settings_are_those_of_the_field(
    section: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "\n".join(blocks("A guidance method", "python") + blocks("A prior", "python"))
    name = f"own_{number}_{section[-5:]}"  # another module for each, since imported ones are kept
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    config = tmp_path / "own.yaml"
    written = blocks(section, "yaml")[number]
    config.write_text(written.replace("own.", f"{name}."), encoding="utf-8")
    job = Recipe(options=(("field", (f"--config={config}",)),)).job("field", Path("image"), tmp_path / "run")
    given = yaml.safe_load(written)["model"]["init_args"]["guidance"]
    resolved = job.settings["model"]["init_args"]["guidance"]
    for key, value in given.items():
        if isinstance(value, dict):
            value["class_path"] = value["class_path"].replace("own.", f"{name}.")
        assert resolved[key] == value


def test_the_lines_around_a_loss_are_there() -> None:
    (diff,) = blocks("A loss", "diff")
    files = re.findall(r"^ # ([\w/]+\.\w+)", diff, re.MULTILINE)
    code = "\n".join((REPOSITORY / file).read_text(encoding="utf-8") for file in files)
    kept = [line[1:] for line in diff.splitlines() if line[0] == " " and not line.startswith(" # ")]
    assert kept
    assert all(line in code.splitlines() for line in kept)
    added = [line[1:].strip() for line in diff.splitlines() if line[0] == "+"]
    assert "smooth_depth" not in {field.name for field in fields(LossWeights)}
    assert [line.split(":")[0].strip('"') for line in added if "smooth_depth" in line] == 3 * ["smooth_depth"]


def test_a_stage_is_rows_of_two_tables_and_a_module(tmp_path: Path) -> None:
    (diff,) = blocks("A stage", "diff")
    rows = "\n".join(line[1:] for line in diff.splitlines() if line.startswith("+  "))
    stage, subcommand = eval(f"[{rows}]", {"Stage": Stage, "Subcommand": Subcommand})
    assert (stage.subcommand, subcommand.name) == (("normals",), "normals")
    assert {*stage.needs, *(name for names in stage.needs_where.values() for name in names)} <= set(STAGES)
    assert all(pattern.split("/")[0] in STAGES for pattern in stage.reads)
    (code,) = blocks("A stage", "python")
    assert code.startswith(f"# {subcommand.path.replace('.', '/')}.py\n")
    module = imported(code, "normals")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    request = module.Request(**vars(parser.parse_args([str(tmp_path)])))
    job = module.prepare(request)
    assert isinstance(job, StageJob)
    assert job.name == stage.name
    assert job.folder.root == tmp_path


def test_the_ablation_is_a_study_of_settings_that_exist(tmp_path: Path, tiny_prior_folder: Path) -> None:
    (text,) = blocks("An ablation", "yaml")
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    study = Study.load(path)
    planner = Planner(tmp_path, Priors(tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion"), "debug")
    usd, uniform = (planner.settings(arm)["field"] for arm in study.arms)
    assert usd != uniform
