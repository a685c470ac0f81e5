"""The shipped priors: their size, that stock classes load them, and that they know what they were trained for."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from commands.evaluation.evaluate_prior import Pairs, render_pairs
from datamodules.objects.object_sets import HELD_OUT_SEEDS
from viewdistill.diffusion.model_index import MODEL_INDEX
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.documents import read_json
from viewdistill.metrics.images import psnr
from viewdistill.objects.dataset import RenderSettings, render_object
from viewdistill.pictures import over_white

NANO = Path(__file__).parents[1] / "priors" / "nano"


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """Input and target views of 16 objects that no prior was trained on."""
    return render_pairs(range(HELD_OUT_SEEDS + 500, HELD_OUT_SEEDS + 516), 1, 64)


def epsilon_error(prediction: Tensor, noise: Tensor) -> float:
    """Mean squared error of a noise prediction."""
    return float((prediction - noise).square().mean())


def test_weights_are_half_precision_and_small() -> None:
    """At most 60 MB in all, every tensor in fp16."""
    files = sorted(NANO.rglob("*.safetensors"))
    assert sum(path.stat().st_size for path in files) <= 60e6
    assert {tensor.dtype for path in files for tensor in load_file(path).values()} == {torch.float16}


def test_stock_classes_load_every_component() -> None:
    """`from_pretrained` of diffusers and transformers; only the lifting is a class of this project."""
    for name, channels in (("stable-diffusion", 4), ("zero123", 38)):
        AutoencoderKL.from_pretrained(NANO / name / "vae")
        unet = UNet2DConditionModel.from_pretrained(NANO / name / "unet")
        assert unet.conv_in.in_channels == channels
    CLIPTextModel.from_pretrained(NANO / "stable-diffusion" / "text_encoder")
    tokenizer = CLIPTokenizer.from_pretrained(NANO / "stable-diffusion" / "tokenizer")
    assert tokenizer.tokenize("a red mug") == ["a</w>", "red</w>", "mug</w>"]
    CLIPVisionModelWithProjection.from_pretrained(NANO / "zero123" / "image_encoder")


def test_diffusers_reads_the_text_conditioned_prior_as_a_pipeline() -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(NANO / "stable-diffusion", dtype=torch.float32)
    assert type(pipeline) is StableDiffusionPipeline
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(0)
    sampled: Any = pipeline("a red mug", num_inference_steps=10, height=64, width=64, generator=noise)
    image = sampled.images[0]
    # Red on a ground that is lighter: what it was asked for.
    pixels = torch.from_numpy(np.array(image)).float()
    middle = pixels[24:40, 24:40].mean((0, 1))
    assert image.size == (64, 64)
    assert middle[0] > 1.3 * middle[1:].max()


@pytest.mark.parametrize("name", ["stable-diffusion", "zero123"])
def test_the_model_index_names_classes_that_load_every_component(name: str) -> None:
    index = read_json(NANO / name / MODEL_INDEX)
    components = {key: value for key, value in index.items() if isinstance(value, list) and value != [None, None]}
    assert set(components) == {path.name for path in (NANO / name).iterdir() if path.is_dir()}
    for component, (module, cls) in components.items():
        loaded = getattr(importlib.import_module(module), cls).from_pretrained(NANO / name / component)
        assert type(loaded).__name__ == cls


def test_the_cards_are_cards_of_the_hub() -> None:
    for folder in (NANO, NANO / "stable-diffusion", NANO / "zero123"):
        data: Any = ModelCard.load(folder / "README.md").data
        assert (data.license, data.library_name) == ("apache-2.0", "diffusers")


def test_autoencoder_keeps_held_out_views(pairs: Pairs) -> None:
    """Well above the 20 dB of a blurred copy, and the latents have about unit deviation."""
    prior = ViewConditionedPrior.from_folder(NANO / "zero123")
    with torch.no_grad():
        latents = prior.encode_images(pairs.targets)
        decoded = prior.decode_latents(latents)
    assert float(psnr(decoded, pairs.targets).mean()) > 26
    assert float(latents.std()) == pytest.approx(1, abs=0.15)


def test_view_prior_uses_its_input_image_and_pose(pairs: Pairs) -> None:
    """Noise is predicted better with the right image and pose than with those of another pair."""
    prior = ViewConditionedPrior.from_folder(NANO / "zero123")
    with torch.no_grad():
        latents = prior.encode_images(pairs.targets)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(latents.shape, generator=generator)
    timesteps = torch.full((len(latents),), 800)
    noisy = prior.schedule.add_noise(latents, noise, timesteps)
    right = prior.condition(pairs.inputs, pairs.elevation)
    wrong = prior.condition(pairs.inputs.roll(1, 0), pairs.elevation.roll(1, 0))
    pose = pairs.relative_pose
    errors = {
        "right": epsilon_error(prior.predict_noise(noisy, timesteps, right, pose), noise),
        "other image": epsilon_error(prior.predict_noise(noisy, timesteps, wrong, pose), noise),
        "other pose": epsilon_error(prior.predict_noise(noisy, timesteps, right, pose.roll(1, 0)), noise),
    }
    assert errors["right"] < 0.9 * errors["other image"]
    assert errors["right"] < errors["other pose"]


def test_text_prior_uses_its_caption() -> None:
    """Noise on pictures is predicted better with their own captions than with those of others."""
    prior = TextConditionedPrior.from_folder(NANO / "stable-diffusion")
    views: list[Tensor] = []
    captions: list[str] = []
    for seed in range(HELD_OUT_SEEDS + 600, HELD_OUT_SEEDS + 616):
        rgba, caption = render_object(seed, RenderSettings(views_per_object=1))
        image = torch.from_numpy(rgba).permute(0, 3, 1, 2).float() / 255
        views.append(over_white(image))
        captions.append(caption)
    with torch.no_grad():
        latents = prior.encode_images(torch.cat(views))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    timesteps = torch.full((len(latents),), 800)
    noisy = prior.schedule.add_noise(latents, noise, timesteps)
    right = epsilon_error(prior.predict_noise(noisy, timesteps, prior.encode_text(captions)), noise)
    wrong = epsilon_error(prior.predict_noise(noisy, timesteps, prior.encode_text(captions[1:] + captions[:1])), noise)
    assert right < wrong
