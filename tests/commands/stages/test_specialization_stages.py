"""The subcommands from novel views to refined views, with the shipped configurations and a tiny prior."""

import argparse
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from commands.stages import class_images, field, novel_views, specialize, views
from datamodules.class_images import ClassImages
from datamodules.posed_views import load_views
from datamodules.runs.run_folder import RunFolder, read_json
from lightning_modules.loaded_priors import load_text_prior
from tests.dreambooth_stages import finish
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

FAST = ["--trainer.accelerator=cpu", "--trainer.logger=false", "--trainer.max_steps=2"]

FEW_SAMPLES = [
    {"class_path": "callbacks.lora_weights.LoraWeights"},
    {"class_path": "callbacks.prompt_grid.PromptGrid", "init_args": {"samples": 1, "steps": 2}},
]


def command(module: ModuleType, folder: RunFolder, *options: str) -> None:
    """Run a subcommand as `viewdistill` does."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    arguments, arguments_of_lightning = parser.parse_known_args([str(folder.root), *options])
    arguments.settings = arguments_of_lightning
    module.run(arguments)


@pytest.fixture
def view_options(tiny_prior_folder: Path) -> list[str]:
    zero123, stable_diffusion = tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion"
    priors = [f"--model.view_prior={zero123}", f"--model.text_prior={stable_diffusion}"]
    return [*priors, "--model.sampling.steps=2", "--data.images_per_batch=2", *FAST[:2]]


@pytest.fixture
def class_options(tiny_prior_folder: Path, tmp_path: Path) -> list[str]:
    prior, cache = f"--model.prior={tiny_prior_folder / 'stable-diffusion'}", f"--data.cache={tmp_path / 'cache'}"
    return [prior, cache, "--model.sampling.steps=2", "--data.count=3", "--data.images_per_batch=2", *FAST[:2]]


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("0*.png")}


def test_from_novel_views_to_refined_views(
    run_folder: RunFolder, tiny_prior_folder: Path, view_options: list[str], class_options: list[str], tmp_path: Path
) -> None:
    command(novel_views, run_folder, *view_options)
    novel = load_views(run_folder.novel_views)
    assert [camera.azimuth_deg for camera in novel.cameras] == [60, 120, 180, 240, 300]
    assert {camera.elevation_deg for camera in novel.cameras} == {20}
    assert novel.rgba.shape == (5, 4, 16, 16)
    command(class_images, run_folder, *class_options)

    prior = f"--model.prior={tiny_prior_folder / 'stable-diffusion'}"
    overlay = tmp_path / "few_samples.yaml"
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": FEW_SAMPLES}}))
    small = [f"--config={overlay}", prior, "--data.image_size=16", *FAST]
    command(specialize, run_folder, "--stage=1", *small)
    command(specialize, run_folder, "--stage=2", "--seed=3", *small)
    figures = read_json(run_folder.record("specialize_2"))["figures"]
    assert figures["steps"] == 2
    assert (run_folder.stage("specialize_2") / "samples.png").is_file()
    assert figures["metrics"]["loss/negative"] > 0
    assert (
        yaml.safe_load((run_folder.stage("specialize_2") / "config.yaml").read_text())["data"]["init_args"]["seed"] == 3
    )

    tiny = ["--model.guidance.method=none", "--model.field.n_samples_per_ray=32", "--model.input_rays=64"]
    command(field, run_folder, *tiny, "--trainer.limit_val_batches=0", *FAST)
    command(views, run_folder, prior, "--data.image_size=16", "--data.count=3", "--model.refinement.steps=5", *FAST[:2])
    assert len(load_views(run_folder.refined_views).cameras) == 4
    assert load_views(run_folder.raw_views).cameras == load_views(run_folder.refined_views).cameras
    assert (run_folder.refined_views / "before_after.png").is_file()
    assert read_json(run_folder.record("views"))["figures"]["views"] == 4


def test_novel_views_resume_image_by_image(run_folder: RunFolder, view_options: list[str]) -> None:
    command(novel_views, run_folder, *view_options)
    undisturbed = {path.name: path.read_bytes() for path in run_folder.novel_views.glob("0*.png")}
    before = times(run_folder.novel_views)
    (run_folder.novel_views / "003.png").unlink()
    command(novel_views, run_folder, *view_options)
    assert {path.name: path.read_bytes() for path in run_folder.novel_views.glob("0*.png")} == undisturbed
    after = times(run_folder.novel_views)
    assert [name for name in after if after[name] != before[name]] == ["003.png"]
    assert read_json(run_folder.record("novel_views"))["figures"]["sampled"] == 1

    # Killed between the last view and the list of cameras: nothing is left to sample.
    (run_folder.novel_views / "cameras.json").unlink()
    command(novel_views, run_folder, *view_options)
    assert times(run_folder.novel_views) == after
    assert len(load_views(run_folder.novel_views).cameras) == 5
    assert read_json(run_folder.record("novel_views"))["figures"]["sampled"] == 0

    command(novel_views, run_folder, *view_options, "--seed=1", "--data.count=2", "--data.elevation=-5")
    assert len(times(run_folder.novel_views)) == 2  # other settings: nothing of the old ones is left
    assert (run_folder.novel_views / "000.png").read_bytes() != undisturbed["000.png"]
    assert [camera.elevation_deg for camera in load_views(run_folder.novel_views).cameras] == [-5, -5]


def test_what_sampling_leaves_in_a_shared_prior_can_be_trained_with(
    run_folder: RunFolder, class_options: list[str], tiny_prior_folder: Path
) -> None:
    command(class_images, run_folder, *class_options, "--model.precision=fp32")
    prior = load_text_prior(str(tiny_prior_folder / "stable-diffusion"), "fp32", torch.device("cpu"))
    assert not prior.encode_text([""]).is_inference()
    assert not any(weight.is_inference() for weight in prior.parameters())


@pytest.mark.parametrize("option", ["limit_predict_batches=1", "limit_predict_batches=0.5", "fast_dev_run=true"])
def test_a_stage_without_some_of_its_batches_is_refused(
    run_folder: RunFolder, view_options: list[str], option: str
) -> None:
    with pytest.raises(ViewDistillError, match="leave images out"):
        command(novel_views, run_folder, *view_options, f"--trainer.{option}")
    assert not (run_folder.novel_views / "cameras.json").exists()
    assert not run_folder.record("novel_views").exists()


def test_class_images_are_shared_and_resume(run_folder: RunFolder, class_options: list[str], tmp_path: Path) -> None:
    command(class_images, run_folder, *class_options)
    images = ClassImages.load(run_folder)
    assert images.prompts.of_class == "a object"
    assert images.folder.relative_to(tmp_path / "cache").name == "object"
    assert [np.asarray(Image.open(path)).shape for path in images.paths] == [(16, 16, 3)] * 3
    before = times(images.folder)
    images.paths[1].unlink()
    command(class_images, run_folder, *class_options)
    after = times(images.folder)
    assert [name for name in after if after[name] != before[name]] == ["001.png"]
    assert read_json(run_folder.record("class_images"))["figures"]["sampled"] == 1
    command(class_images, run_folder, *class_options, "--model.sampling.guidance_scale=2")
    assert ClassImages.load(run_folder).folder.parent != images.folder.parent


@pytest.mark.parametrize(
    ("module", "options", "problem"),
    [
        (novel_views, ["--data.count=0"], "at least 1"),
        (novel_views, ["--data.cuont=5"], "cuont"),
        (novel_views, ["--data.elevation=100"], "-90 to 90"),
        (novel_views, ["--model.sampling.steps=0"], "steps is 0"),
        (novel_views, ["--model.sampling.scheduler=DDPMScheduler"], "DPMSolverMultistepScheduler"),
        (novel_views, ["--model.sampling.start=mean"], "lifted_mean"),
        (class_images, ["--data.template=thing"], "template"),
        (class_images, ["--model.prior=/nowhere", "--data.cache=/tmp/none"], "no such prior"),
        (specialize, ["--stage=1"], "novel-views"),
        (views, [], "viewdistill field"),
    ],
)
def test_what_cannot_run_ends_in_one_line(
    run_folder: RunFolder, module: ModuleType, options: list[str], problem: str
) -> None:
    with pytest.raises(ViewDistillError, match=problem):
        command(module, run_folder, *options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU that is there is taken")
@pytest.mark.parametrize("module", [novel_views, class_images, views])
def test_the_accelerator_that_is_asked_for_is_not_passed_over(run_folder: RunFolder, module: ModuleType) -> None:
    for stage in ("field", "specialize_2"):
        finish(run_folder, stage, {})
    with pytest.raises(ViewDistillError, match="accelerator is gpu, and torch can use none here"):
        command(module, run_folder, "--trainer.accelerator=gpu")


@pytest.mark.parametrize("module", [novel_views, class_images])
def test_printing_the_configuration_leaves_a_complete_stage_alone(
    run_folder: RunFolder, module: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command(module, run_folder, "--data.count=7", "--print_config")
    assert stop.value.code == 0
    assert yaml.safe_load(capsys.readouterr().out)["data"]["init_args"]["count"] == 7
    assert {path.name for path in run_folder.root.iterdir()} == {"input"}


def test_the_paper_preset_has_the_papers_numbers() -> None:
    preset = REPOSITORY / "configs" / "presets" / "zero123-xl"
    first, second = (yaml.safe_load((preset / f"specialize_{stage}.yaml").read_text()) for stage in (1, 2))
    assert (first["trainer"]["max_steps"], second["trainer"]["max_steps"]) == (600, 5)
    assert first["model"]["init_args"]["rank"] == 4
    assert first["model"]["init_args"]["learning_rate"] == second["model"]["init_args"]["learning_rate"] == 2e-4
    assert (first["data"]["init_args"]["identifier"], second["data"]["init_args"]["identifier"]) == ("o$%c7", "ItU@T")
    assert yaml.safe_load((preset / "class_images.yaml").read_text())["data"]["init_args"]["count"] == 200
