"""LoRA: starts without effect, trains alone, and is read by a stock diffusers pipeline with the same prediction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from viewdistill.diffusion.lora import TARGETS, add_lora, load_lora, lora_weights, save_lora
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.errors import ViewDistillError

Builder = Callable[..., TextConditionedPrior]
TEXT = "a sks robot"


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prediction(prior: TextConditionedPrior) -> torch.Tensor:
    noisy = torch.randn(2, *prior.latent_shape, generator=generator(7))
    return prior.predict_noise(noisy, torch.tensor([200, 700]), prior.encode_text([TEXT]))


def trained(prior: TextConditionedPrior, rank: int = 3) -> None:
    """Put a LoRA into the prior that changes what it predicts."""
    add_lora(prior.unet, rank, generator())
    with torch.no_grad():
        for index, weight in enumerate(lora_weights(prior.unet).values()):
            weight.copy_(torch.randn(weight.shape, generator=generator(index)))


def test_a_new_adapter_changes_nothing_and_is_all_that_trains(text_prior: Builder) -> None:
    prior = text_prior()
    before = prediction(prior)
    add_lora(prior.unet, 2, generator())
    assert torch.equal(prediction(prior), before)
    assert {n for n, w in prior.unet.named_parameters() if w.requires_grad} == set(lora_weights(prior.unet))
    attentions = sum(name.endswith("to_q.base_layer.weight") for name, _ in prior.unet.named_parameters())
    assert len(lora_weights(prior.unet)) == 2 * len(TARGETS) * attentions


def test_first_weights_depend_on_the_generator_alone(text_prior: Builder) -> None:
    weights = []
    for seed in (0, 0, 1):
        prior = text_prior()
        torch.rand(3)  # the global random state is not what decides
        add_lora(prior.unet, 4, generator(seed))
        weights.append(next(w for n, w in lora_weights(prior.unet).items() if "lora_A" in n))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert float(weights[0].detach().std()) == pytest.approx(1 / 4, rel=0.4)


def test_adapters_stay_fp32_beside_half_weights(text_prior: Builder) -> None:
    prior = text_prior()
    prior.unet.bfloat16()
    add_lora(prior.unet, 2, generator())
    assert {weight.dtype for weight in lora_weights(prior.unet).values()} == {torch.float32}
    assert torch.isfinite(prediction(prior)).all()


def test_a_saved_adapter_comes_back(text_prior: Builder, tmp_path: Path) -> None:
    one, other = text_prior(), text_prior()
    untouched = prediction(one)
    trained(one)
    save_lora(one.unet, tmp_path / "lora.safetensors")
    load_lora(other.unet, tmp_path / "lora.safetensors")
    assert torch.equal(prediction(other), prediction(one))
    assert not torch.allclose(prediction(other), untouched, atol=1e-3)
    assert all(weight.requires_grad for weight in lora_weights(other.unet).values())


def test_a_stock_pipeline_loads_it_and_predicts_the_same(text_prior: Builder, tmp_path: Path) -> None:
    ours, parts = text_prior(), text_prior()
    trained(ours)
    save_lora(ours.unet, tmp_path / "pytorch_lora_weights.safetensors")
    models: Any = diffusers
    pipeline = models.StableDiffusionPipeline(
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        unet=parts.unet,
        scheduler=models.DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    untouched = prediction(parts)
    pipeline.load_lora_weights(tmp_path)  # by the file's standard name
    assert len(lora_weights(pipeline.unet)) == len(lora_weights(ours.unet))
    assert torch.allclose(prediction(parts), prediction(ours), atol=1e-5)
    assert not torch.allclose(prediction(parts), untouched, atol=1e-3)


def test_files_that_do_not_fit_are_named(text_prior: Builder, tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    with pytest.raises(ViewDistillError, match="no such file"):
        load_lora(text_prior().unet, path)
    with pytest.raises(ViewDistillError, match="a folder; give the LoRA file in it"):
        load_lora(text_prior().unet, tmp_path)
    path.write_bytes(b"cut short")
    with pytest.raises(ViewDistillError, match="damaged LoRA"):
        load_lora(text_prior().unet, path)
    save_file({"unet.weight": torch.zeros(2)}, path)
    with pytest.raises(ViewDistillError, match="not a LoRA"):
        load_lora(text_prior().unet, path)
    prior = text_prior()
    trained(prior)
    save_lora(prior.unet, path)
    weights = load_file(path)
    del weights[max(weights)]
    save_file(weights, path)
    with pytest.raises(ViewDistillError, match="another UNet"):
        load_lora(text_prior().unet, path)
