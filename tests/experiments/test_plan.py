"""Plans: every stage once by content, whoever asks for it, in whatever words."""

import shutil
from pathlib import Path

import pytest

from experiments.running.ablate import load_studies
from experiments.running.cases import Case
from experiments.running.plan import Node, PlannedRun, Planner, Priors, Resolved, needs
from experiments.running.studies import Study
from tests.experiments.finished_runs import STUDY, toy_study
from viewdistill.errors import ViewDistillError

CASE = Case(10_000_000, 12.5, 20.0)


@pytest.fixture
def priors(tiny_prior_folder: Path) -> Priors:
    return Priors(tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion")


@pytest.fixture
def planner(tmp_path: Path, priors: Priors, resolved: Resolved) -> Planner:
    return Planner(tmp_path / "ablations", priors, resolved=resolved)


def shipped(name: str) -> Study:
    (study,) = load_studies([name])
    return study


def node_of(planner: Planner, options: list[str], case: Case = CASE, seed: int = 0, stage: str = "field") -> Node:
    return planner.node(stage, options, case, seed, ())


def stages_of(runs: list[PlannedRun]) -> dict[str, int]:
    """How many different stages of each name are planned."""
    keys = {node.key: node.stage for run in runs for node in run.nodes}
    return {stage: list(keys.values()).count(stage) for stage in keys.values()}


def test_arms_share_what_they_have_in_common(planner: Planner):
    assert stages_of(planner.plan(shipped("A2"), [1], [0])) == {"input": 1, "field": 4, "mesh": 4}
    assert stages_of(planner.plan(shipped("A2"), [1, 2], [0, 1])) == {"input": 2, "field": 16, "mesh": 16}
    # "one stage" has the first stage of "two stages", "none" and "without negatives" have their own.
    once = dict.fromkeys(("input", "field", "mesh", "novel_views", "class_images"), 1)
    assert stages_of(planner.plan(shipped("A4"), [1], [0])) == once | {"specialize_1": 3, "specialize_2": 4, "views": 4}
    found = stages_of(planner.plan(shipped("A5"), [1], [0]))
    assert (found["specialize_2"], found["views"]) == (1, 5)


def test_studies_share_what_they_have_in_common(planner: Planner):
    runs = [run for name in ("A4", "A5", "A6", "A7") for run in planner.plan(shipped(name), [1], [0])]
    found = stages_of(runs)
    assert (found["field"], found["novel_views"], found["class_images"]) == (1, 1, 1)
    # The reference of A4 is that of A5, and A6 and A7 go on from it.
    assert found["views"] == 4 + 5 - 1


def test_elevations_are_other_inputs_only_where_the_camera_stands_elsewhere_or_is_declared_to(planner: Planner):
    runs = planner.plan(shipped("A8"), [1], [0])
    assert stages_of(runs)["input"] == 12
    assert len({run.nodes[0].case.path(run.nodes[0].inputs) for run in runs}) == 8


def test_the_same_settings_in_other_words_are_the_same_stage(planner: Planner):
    plain = node_of(planner, [])
    decay = "--model.init_args.optimizer.weight_decay="
    assert node_of(planner, [f"{decay}0.01"]).key == node_of(planner, [f"{decay}1.0e-2"]).key == plain.key
    assert node_of(planner, [f"{decay}0.5", f"{decay}0.01"]).key == plain.key
    assert node_of(planner, [f"{decay}0.5"]).key != plain.key


def test_everything_else_that_decides_the_result_makes_another_stage(planner: Planner, priors: Priors, tmp_path: Path):
    other_prior = tmp_path / "zero123"
    shutil.copytree(priors.view, other_prior)
    (other_prior / "scheduler" / "scheduler_config.json").write_text('{"prediction_type": "epsilon"}')
    keys = [
        node_of(planner, []).key,
        node_of(planner, [], seed=1).key,
        node_of(planner, [], stage="views").key,
        node_of(Planner(planner.root, priors, "debug"), []).key,
        node_of(Planner(planner.root, priors, ""), []).key,
        node_of(Planner(planner.root, Priors(other_prior, priors.text)), []).key,
    ]
    assert len(set(keys)) == len(keys)
    inputs = [node_of(planner, [], case, stage="input").key for case in (CASE, Case(10_000_000, 12.5, 30.0))]
    assert inputs[0] != inputs[1]
    # The input is the same for every seed and prior.
    assert node_of(planner, [], CASE, seed=1, stage="input").key == inputs[0]


def test_where_runs_and_priors_lie_decides_nothing(planner: Planner, priors: Priors, tmp_path: Path):
    shutil.copytree(priors.view, tmp_path / "moved" / "view")
    moved = Priors(tmp_path / "moved" / "view", priors.text)
    assert moved.fingerprint == priors.fingerprint
    assert node_of(Planner(tmp_path / "elsewhere", moved), []).key == node_of(planner, []).key


def test_one_changed_weight_is_another_fingerprint(priors: Priors, tmp_path: Path):
    shutil.copytree(priors.text, tmp_path / "text")
    weights = tmp_path / "text" / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert Priors(priors.view, tmp_path / "text").fingerprint != priors.fingerprint


def test_a_missing_prior_is_named(tmp_path: Path, priors: Priors):
    with pytest.raises(ViewDistillError, match="nowhere: no such prior folder"):
        _ = Priors(tmp_path / "nowhere", priors.text).fingerprint


def test_a_stage_is_told_of_its_place_its_overlay_its_seed_and_the_priors(planner: Planner, priors: Priors):
    command = node_of(planner, ["--model.init_args.guidance.method=sds"], seed=3).command
    assert command[0] == "field"
    assert command[1].startswith(str(planner.root / "stages" / "field-"))
    overlay, seed, *rest = command[2:]
    assert overlay.endswith("configs/presets/ablation/field.yaml")
    assert seed == "--seed=3"
    assert f"--model.init_args.guidance.view_prior={priors.view}" in rest
    assert rest[-1] == "--model.init_args.guidance.method=sds"


def test_priors_are_filled_in_and_the_own_unconditional_branch_is_made_once(planner: Planner, priors: Priors):
    first = node_of(planner, ["--model.init_args.text_prior={own_unconditional}"], stage="novel_views")
    (folder,) = (planner.root / "own_unconditional").iterdir()
    assert first.command[-1] == f"--model.init_args.text_prior={folder}"
    time = (folder / "unet" / "config.json").stat().st_mtime_ns
    again = node_of(planner, ["--model.init_args.text_prior={own_unconditional}"], stage="novel_views")
    assert again == first
    assert (folder / "unet" / "config.json").stat().st_mtime_ns == time
    bias = node_of(planner, ["--prior={view_prior}"], stage="bias")
    assert bias.command[-1] == f"--prior={priors.view}"


def test_a_mesh_reads_what_it_is_made_from():
    assert needs("mesh", ["--source=field", "--no-projection"]) == ("input", "field")
    assert needs("mesh", ["--source=surface"]) == ("input", "views", "surface")
    for options in ([], ["--source=air"], ["--source=field", "--source=surface"]):
        with pytest.raises(ViewDistillError, match="give --source=field or --source=surface, once"):
            needs("mesh", options)


@pytest.mark.parametrize("stages", ["[field, input]", "[field]"])
def test_a_stage_before_one_that_it_reads_is_an_error(planner: Planner, tmp_path: Path, stages: str):
    study = toy_study(tmp_path, STUDY.replace("[input, field]", stages))
    with pytest.raises(ViewDistillError, match="toy, usd: field reads input, which must come before it"):
        planner.plan(study, [1], [0])


def test_runs_come_object_by_object_in_folders_of_their_own(planner: Planner, tmp_path: Path):
    runs = planner.plan(toy_study(tmp_path), [5, 6], [0, 1])
    places = [run.folder.root.relative_to(planner.root / "toy").as_posix() for run in runs]
    assert places[:4] == ["usd/5-seed0", "sds_1/5-seed0", "usd/5-seed1", "sds_1/5-seed1"]
    assert len(set(places)) == 8
    usd, sds = ({run.settings for run in runs if run.arm.name == arm} for arm in ("usd", "sds_1"))
    assert len(usd) == len(sds) == 1
    assert usd != sds
