"""Studies: the shipped ones are sound and fit the stages' settings; what is wrong in others is said in one line."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.generation.examples import EXAMPLES
from commands.parsing import build_parser
from commands.table import SUBCOMMANDS
from datamodules.runs.stages import STAGES
from experiments.running.cases import Case
from experiments.running.studies import ABLATIONS, BIAS, Study
from tests.experiments.finished_runs import STUDY, toy_study
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

SHIPPED = sorted(ABLATIONS.glob("*.yaml"))

BESIDE = [ABLATIONS.parent / f"{name}.yaml" for name in ("field_benchmark", "guidance_search", "pipeline")]
"""Studies that answer no question of the paper's."""

ARMS = {"A1": 2, "A2": 4, "A3": 8, "A4": 4, "A5": 5, "A6": 4, "A7": 3, "A8": 12}
"""Of the studies that must exist, how many arms they have."""


def test_the_eight_studies_are_there_with_all_their_arms():
    assert {path.stem: len(Study.load(path).arms) for path in SHIPPED} == ARMS


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_study_is_judged_by_figures_that_its_arms_have(path: Path):
    study = Study.load(path)
    for column in study.columns:
        section, of, _ = column.figure.split("/")
        if section == "input":
            assert study.input_view
        for arm in study.arms:
            needed = {"bias": "bias", "geometry": "mesh"}.get(section, of)
            assert needed in arm.stages, f"{arm.name} has no {column.figure}"
        if column.figure.startswith("views/field"):
            assert study.field_views


@pytest.mark.parametrize("path", SHIPPED + BESIDE, ids=lambda path: path.stem)
def test_options_of_a_shipped_study_name_settings_of_the_shipped_configurations(path: Path):
    for arm in Study.load(path).arms:
        for stage, options in arm.options.items():
            if stage == BIAS or STAGES[stage].config is None:
                continue
            settings = yaml.safe_load((REPOSITORY / "configs" / f"{stage}.yaml").read_text())
            subcommand = SUBCOMMANDS[STAGES[stage].subcommand[0]]
            for option in options:
                # An option of the subcommand itself, as --source of the mesh.
                if option.split("=")[0] in build_parser(subcommand)._option_string_actions:
                    continue
                match = re.fullmatch(r"--([\w.]+)=.*", option)
                assert match, f"{arm.name}: {option} is not of the form --a.b=value"
                place: Any = settings
                for part in match[1].split("."):
                    if place is None:
                        break  # the YAML leaves it to a method; the stage's parser knows what may stand there
                    assert part in place, f"{arm.name}: {stage} has no {match[1]}"
                    place = place[part]


def test_an_arm_has_the_options_of_its_study_first(tmp_path: Path):
    text = STUDY.replace("reference:", "options: {field: [--trainer.max_steps=3]}\nreference:")
    first = toy_study(tmp_path, text).arms[0]
    assert first.options["field"] == ["--trainer.max_steps=3", "--model.init_args.guidance.method=usd"]
    assert first.options["input"] == []


def test_a_study_of_the_examples_is_about_their_views(tmp_path: Path):
    text = f"objects: examples\n{STUDY}"
    study = toy_study(tmp_path, text)
    assert list(study.population) == [example.seed for example in EXAMPLES]
    assert study.case(EXAMPLES[1].seed, study.arms[0]) == Case.of_example(EXAMPLES[1].seed)
    assert toy_study(tmp_path).case(EXAMPLES[1].seed, study.arms[0]) == Case.of(EXAMPLES[1].seed)
    with pytest.raises(ViewDistillError, match="the examples have elevations of their own"):
        toy_study(tmp_path, text.replace("sds_1: {", "sds_1: {elevation: 30, "))


def test_options_of_the_study_for_stages_that_an_arm_leaves_out_are_left_out(tmp_path: Path):
    text = STUDY.replace("reference:", "options: {field: [--trainer.max_steps=3]}\nreference:")
    text = text.replace("  sds_1: {", "  plain: {stages: [input]}\n  sds_1: {")
    assert toy_study(tmp_path, text).arms[1].options == {"input": []}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: toy", "protocols: [voxels]\nid: toy", "unknown protocol voxels, not one of syncdreamer, surface"),
        ("id: toy", "objects: photos\nid: toy", "objects is photos, not test seeds or examples"),
        ("id: toy", "id: other", "its id is other, its file's name toy"),
        ("id: toy", "id: toy\ncolour: red", "unknown keys colour"),
        ("reference: usd", "reference: csd", "the reference csd is not one of its arms"),
        ("[input, field]", "[input, feild]", "unknown stage feild"),
        ("{field: [--model.init_args.guidance.method=sds]}", "{mesh: []}", "options of mesh, which it does not run"),
        ("better: lower", "better: smaller", "better is smaller"),
        ("  sds_1:", "  a/b:", "no slash"),
        ("  sds_1: {", "  sds_1: {elevations: 3, ", "unknown keys elevations"),
        ("  sds_1: {", "  sds_1: {at: 3, ", "some arms have a place on the axis"),
        ("  sds_1: {", "  sds_1: {elevation: high, ", "could not convert string to float"),
        ("question: Which guidance?\n", "", "KeyError: 'question'"),
        (STUDY, "just words", "not a study"),
        (STUDY, "a: [", "not readable as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str):
    assert STUDY.count(old) == 1
    with pytest.raises(ViewDistillError, match=message) as caught:
        toy_study(tmp_path, STUDY.replace(old, new))
    assert "toy.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_study_is_named():
    with pytest.raises(ViewDistillError, match=r"A99.yaml: no such study; the shipped ones are in"):
        Study.load(ABLATIONS / "A99.yaml")
