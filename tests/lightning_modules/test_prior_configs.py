"""The shipped configurations of the priors' training: each trains, by steps and by the clock, and goes on counting."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from commands.main import main
from datamodules.objects.rendered_objects import CaptionedLatents, ObjectImages
from lightning_modules.priors.autoencoder import Autoencoder
from lightning_modules.priors.text_to_image import TextToImage
from tests.tiny_training import BATCHES, SIZE, WIDTHS, fit, tiny_sets
from viewdistill.resources import REPOSITORY

MODELS = ("autoencoder", "lifting", "text-to-image", "view-synthesis")


def tiny_settings(model: str, trained: Path, objects: Path) -> dict[str, Any]:
    """Settings that make a shipped training tiny."""
    settings: dict[str, Any] = {"trainer.devices": 1, "trainer.strategy": "auto", "trainer.logger": "false"}
    settings |= {f"data.sets.{name}": value for name, value in asdict(tiny_sets(objects)).items()}
    settings |= {f"data.batches.{name}": value for name, value in asdict(BATCHES).items()}
    settings["data.render_workers"] = 0
    if model != "autoencoder":
        settings["data.vae"] = trained / "zero123" / "vae"
    if model == "text-to-image":
        settings["model.tokenizer_folder"] = objects / "tokenizer"
    if model == "lifting":
        settings |= {"model.vae": trained / "zero123" / "vae", "model.latent_size": 4, "data.views": 3}
        settings["model.picture_size"] = SIZE
    if model == "view-synthesis":
        settings |= {"model.vae": trained / "zero123" / "vae", "model.image_size": SIZE, "data.views": 2}
        settings["model.lifting"] = trained / "zero123" / "lifting"
        settings["model.initial_unet"] = trained / "stable-diffusion" / "unet"
    return settings


@pytest.mark.parametrize("model", MODELS)
def test_shipped_configuration_trains(model: str, trained: Path, objects: Path, tmp_path: Path) -> None:
    """`viewdistill train` takes a step with the shipped YAML, over a few tiny objects, and leaves a checkpoint."""
    settings = tiny_settings(model, trained, objects) | {"trainer.max_steps": 1}
    options = [f"--{name}={value}" for name, value in settings.items()]
    assert main(["train", model, "--out", str(tmp_path), *options]) == 0
    assert (tmp_path / "last.ckpt").is_file()


@pytest.mark.parametrize("model", MODELS)
def test_the_preset_for_a_gpu_trains_by_the_clock(model: str, trained: Path, objects: Path, tmp_path: Path) -> None:
    """All of it but the device: tiny batches on the CPU, objects held in memory, a checkpoint that can be exported."""
    settings = tiny_settings(model, trained, objects)
    settings |= {"trainer.accelerator": "cpu", "trainer.precision": "32-true", "trainer.callbacks": "null"}
    options = [f"--{name}={value}" for name, value in settings.items()]
    preset = f"--config={REPOSITORY / 'configs/presets/gpu' / model.replace('-', '_')}.yaml"
    assert main(["train", model, "--out", str(tmp_path), preset, "--minutes=0.01", *options]) == 0
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert content["global_step"] >= 1
    assert content["training"]["samples"] % 4 == 0
    # What is not about size is as shipped: the clock ends it, and a minute is the most that can be lost.
    shipped = yaml.safe_load(Path(preset.removeprefix("--config=")).read_text())
    assert shipped["trainer"]["precision"] == "bf16-mixed"
    assert shipped["trainer"]["max_steps"] == -1
    assert shipped["trainer"]["callbacks"][1]["init_args"]["train_time_interval"] == "0:01:00"
    assert shipped["trainer"]["callbacks"][1]["init_args"]["dirpath"] == f".cache/priors/{model.replace('-', '_')}"


def test_the_presets_for_a_gpu_fit_into_twelve_minutes() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    minutes = {name: float(value) for name, value in re.findall(r"^minutes_(\w+) := ([\d.]+)$", makefile, re.MULTILINE)}
    assert minutes.keys() == {model.replace("-", "_") for model in MODELS}
    assert sum(minutes.values()) <= 12
    for name, value in minutes.items():
        first = (REPOSITORY / "configs/presets/gpu" / f"{name}.yaml").read_text().splitlines()[0]
        assert f"--minutes {value:g}`" in first


def test_minutes_must_be_positive() -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["train", "lifting", "--minutes=0"])
    assert refusal.value.code == 2


def test_training_ends_by_the_clock(objects: Path, tmp_path: Path) -> None:
    """``minutes`` ends a training whose steps would go on, at the lowest rate, and leaves a checkpoint to export."""
    module = Autoencoder([8, 8, 8], image_size=SIZE, warmup_steps=1, minutes=0.02)
    path = fit(module, ObjectImages(tiny_sets(objects), BATCHES, render_workers=0), tmp_path, steps=100_000)
    assert 1.2 <= module.training_seconds < 10
    assert module.rate_factor(50) == pytest.approx(0.05)
    assert module.trainer.should_stop
    assert not path.exists()  # this one is written at the end of a run of the command


def test_training_goes_on_counting_from_shipped_weights(trained: Path, objects: Path, tmp_path: Path) -> None:
    """Two more steps of four samples after those beside the weights it starts from."""
    start = trained / "stable-diffusion"
    text = TextToImage(
        str(objects / "tokenizer"), WIDTHS, latent_size=4, text_width=16, text_layers=1, initial_folder=str(start)
    )
    checkpoint = fit(text, CaptionedLatents(str(start / "vae"), tiny_sets(objects), BATCHES), tmp_path)
    counts = torch.load(checkpoint, weights_only=True)["training"]
    assert (counts["steps"], counts["samples"]) == (4, 16)
