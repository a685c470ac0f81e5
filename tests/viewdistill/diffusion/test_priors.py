import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.viewdistill.diffusion.saved_priors import save
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.errors import ViewDistillError

TextBuilder = Callable[..., TextConditionedPrior]
ViewBuilder = Callable[..., ViewConditionedPrior]

T = torch.tensor([40, 700])


def test_sizes(text_prior: TextBuilder) -> None:
    prior = text_prior()
    assert prior.latent_shape == (4, 8, 8)
    assert prior.image_size == 32
    assert prior.encode_images(torch.rand(2, 3, 32, 32)).shape == (2, 4, 8, 8)
    assert prior.decode_latents(torch.randn(2, 4, 8, 8)).shape == (2, 3, 32, 32)


def test_latents_are_scaled_and_the_image_condition_is_not(view_prior: ViewBuilder) -> None:
    prior, images = view_prior(), torch.rand(1, 3, 32, 32)
    mode = prior.vae.encode(images * 2 - 1).latent_dist.mode()  # pyright: ignore[reportAttributeAccessIssue]
    torch.testing.assert_close(prior.encode_images(images), mode * 0.7)
    torch.testing.assert_close(prior.condition(images).latent, mode)


def test_decoding_undoes_the_scale_and_the_range(text_prior: TextBuilder) -> None:
    prior, latents = text_prior(), torch.randn(1, 4, 8, 8)
    decoded = prior.vae.decode(latents / 0.7).sample  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    torch.testing.assert_close(prior.decode_latents(latents), (decoded / 2 + 0.5).clamp(0, 1))


def test_posterior_samples_have_its_spread(text_prior: TextBuilder) -> None:
    prior, images = text_prior(), torch.rand(1, 3, 32, 32)
    posterior = prior.encode_image_moments(images)
    distribution = prior.vae.encode(images * 2 - 1).latent_dist  # pyright: ignore[reportAttributeAccessIssue]
    torch.testing.assert_close(posterior.std, distribution.std * 0.7)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    drawn = prior.encode_images(images, torch.Generator().manual_seed(3))
    torch.testing.assert_close(drawn, posterior.mean + posterior.std * noise)
    assert not torch.equal(prior.encode_images(images, sample=True), posterior.mean)


def test_encoding_is_differentiable_and_weights_are_not(text_prior: TextBuilder) -> None:
    prior, images = text_prior(), torch.rand(1, 3, 32, 32, requires_grad=True)
    prior.encode_images(images, sample=True).square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in prior.parameters())


def test_frozen_prior_stays_in_evaluation_mode(view_prior: ViewBuilder) -> None:
    owner = nn.Module()
    owner.prior = view_prior()
    owner.train()
    assert not any(module.training for module in owner.prior.modules())


def test_prior_of_networks_in_training_leaves_them_alone(text_prior: TextBuilder) -> None:
    frozen = text_prior()
    frozen.unet.requires_grad_().train()
    TextConditionedPrior(frozen.vae, frozen.unet, frozen.text_encoder, frozen.tokenizer, frozen.schedule)
    assert frozen.unet.training
    assert all(parameter.requires_grad for parameter in frozen.unet.parameters())


def test_velocity_is_converted_at_the_boundary(text_prior: TextBuilder, view_prior: ViewBuilder) -> None:
    noisy, t, pose = torch.randn(2, 4, 8, 8), T, torch.randn(2, 4)
    text, view = text_prior(), view_prior()
    text_v, view_v = text_prior(prediction_type="v_prediction"), view_prior(prediction_type="v_prediction")
    empty, condition = text.encode_text([""]), view.condition(torch.rand(1, 3, 32, 32))
    pairs = [
        (text_v.predict_noise(noisy, t, empty), text.predict_noise(noisy, t, empty)),
        (view_v.predict_noise(noisy, t, condition, pose), view.predict_noise(noisy, t, condition, pose)),
        (view_v.predict_noise_unconditional(noisy, t), view.predict_noise_unconditional(noisy, t)),
    ]
    for converted, velocity in pairs:  # the same network, read as predicting v and as predicting ε
        torch.testing.assert_close(converted, text.schedule.epsilon_from_velocity(velocity, noisy, t))


def test_texts_are_encoded_once(text_prior: TextBuilder) -> None:
    prior, calls = text_prior(), []
    prior.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    embeddings = prior.encode_text(["ab", "", "ab"])
    assert embeddings.shape == (3, 8, 16)
    assert torch.equal(embeddings[0], embeddings[2])
    assert not torch.equal(embeddings[0], embeddings[1])
    assert torch.equal(prior.encode_text([""])[0], embeddings[1])
    assert len(calls) == 1


def test_text_embedding_is_the_last_hidden_state_of_the_padded_text(text_prior: TextBuilder) -> None:
    prior = text_prior()
    a, start, end = (
        prior.tokenizer.convert_tokens_to_ids(token) for token in ("a</w>", "<|startoftext|>", "<|endoftext|>")
    )
    ids = torch.tensor([[start, a, end, end, end, end, end, end]])
    torch.testing.assert_close(prior.encode_text(["a"]), prior.text_encoder(input_ids=ids).last_hidden_state)


def test_pair_equals_the_two_branches(view_prior: ViewBuilder) -> None:
    for tokens in ("pooled", "all"):
        prior, noisy, pose = view_prior(tokens=tokens), torch.randn(2, 4, 8, 8), torch.randn(2, 4)
        condition = prior.condition(torch.rand(1, 3, 32, 32))
        conditional, unconditional = prior.predict_noise_pair(noisy, T, condition, pose)
        torch.testing.assert_close(conditional, prior.predict_noise(noisy, T, condition, pose), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(unconditional, prior.predict_noise_unconditional(noisy, T), atol=1e-5, rtol=1e-4)


def test_view_prediction_is_the_unet_on_the_concatenation(view_prior: ViewBuilder) -> None:
    prior, noisy, pose = view_prior(tokens="pooled"), torch.randn(2, 4, 8, 8), torch.randn(2, 4)
    condition = prior.condition(torch.rand(2, 3, 32, 32))
    token = prior.clip_camera_projection.proj(torch.cat([condition.tokens, pose[:, None]], -1))
    output = prior.unet(torch.cat([noisy, condition.latent], 1), T, token).sample  # pyright: ignore[reportAttributeAccessIssue]
    torch.testing.assert_close(prior.predict_noise(noisy, T, condition, pose), output)
    other = prior.predict_noise(noisy, T, condition, pose + 1)
    assert (other - output).abs().max() > 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_inside(text_prior: TextBuilder, view_prior: ViewBuilder, dtype: torch.dtype) -> None:
    noisy, pose, images = torch.randn(2, 4, 8, 8), torch.randn(2, 4), torch.rand(1, 3, 32, 32)
    full, half = view_prior(), view_prior().to(dtype)
    text_full, text_half = text_prior(), text_prior().to(dtype)
    for prior in (half, text_half):
        assert prior.unet.dtype == dtype
    assert_close = functools.partial(torch.testing.assert_close, atol=0.06, rtol=0.06)
    condition = half.condition(images)
    assert condition.tokens.dtype == condition.latent.dtype == torch.float32
    assert_close(condition.tokens, full.condition(images).tokens)
    assert_close(half.encode_images(images), full.encode_images(images))
    assert_close(half.decode_latents(noisy), full.decode_latents(noisy))
    expected = full.predict_noise(noisy, T, full.condition(images), pose)
    assert_close(half.predict_noise(noisy, T, condition, pose), expected)
    assert_close(text_half.encode_text(["a"]), text_full.encode_text(["a"]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_priors_come_back_from_disk(
    tmp_path: Path, text_prior: TextBuilder, view_prior: ViewBuilder, dtype: torch.dtype
) -> None:
    text, view = text_prior(prediction_type="v_prediction"), view_prior(prediction_type="v_prediction")
    text_read = TextConditionedPrior.from_folder(save(text, tmp_path / "text", dtype))
    view_read = ViewConditionedPrior.from_folder(save(view, tmp_path / "view", dtype))
    assert text_read.schedule == text.schedule
    assert not any(parameter.requires_grad or parameter.dtype != torch.float32 for parameter in view_read.parameters())
    noisy, pose, images = torch.randn(2, 4, 8, 8), torch.randn(2, 4), torch.rand(1, 3, 32, 32)
    expected = text.predict_noise(noisy, T, text.encode_text(["a", "b"]))
    torch.testing.assert_close(text_read.predict_noise(noisy, T, text_read.encode_text(["a", "b"])), expected)
    expected = view.predict_noise(noisy, T, view.condition(images), pose)
    torch.testing.assert_close(view_read.predict_noise(noisy, T, view_read.condition(images), pose), expected)


def test_precision_is_chosen_on_loading(tmp_path: Path, view_prior: ViewBuilder) -> None:
    read = ViewConditionedPrior.from_folder(save(view_prior(), tmp_path), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in read.parameters()} == {torch.bfloat16}


def test_text_tower_of_older_checkpoints(tmp_path: Path, text_prior: TextBuilder) -> None:
    prior = text_prior()
    weights = save(prior, tmp_path) / "text_encoder" / "model.safetensors"
    old = {f"text_model.{key}": value for key, value in load_file(weights).items()}
    save_file(old, weights, metadata={"format": "pt"})
    read = TextConditionedPrior.from_folder(tmp_path)
    torch.testing.assert_close(read.encode_text(["a"]), prior.encode_text(["a"]))


@pytest.mark.parametrize("name", ["vae", "unet", "text_encoder", "tokenizer", "scheduler"])
def test_missing_component_is_named(tmp_path: Path, text_prior: TextBuilder, name: str) -> None:
    shutil.rmtree(save(text_prior(), tmp_path) / name)
    with pytest.raises(ViewDistillError, match=f"{name}: this prior has no {name}; .*make priors"):
        TextConditionedPrior.from_folder(tmp_path)


def test_missing_prior_is_named(tmp_path: Path) -> None:
    with pytest.raises(ViewDistillError, match=r"absent: no such .*make priors"):
        TextConditionedPrior.from_folder(tmp_path / "absent")


def test_truncated_weights_are_named(tmp_path: Path, view_prior: ViewBuilder) -> None:
    weights = save(view_prior(), tmp_path) / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ViewDistillError, match="unet: cannot be loaded as UNet2DConditionModel"):
        ViewConditionedPrior.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("component", "file"), [("unet", "diffusion_pytorch_model.safetensors"), ("image_encoder", "model.safetensors")]
)
def test_incomplete_weights_are_not_made_up(tmp_path: Path, view_prior: ViewBuilder, component: str, file: str) -> None:
    path = save(view_prior(), tmp_path) / component / file
    weights = load_file(path)
    weights.pop(sorted(weights)[-1])
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ViewDistillError, match=component):
        ViewConditionedPrior.from_folder(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path: Path, view_prior: ViewBuilder) -> None:
    path = save(view_prior(), tmp_path) / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"in_channels": 4}))
    with pytest.raises(ViewDistillError, match="unet: cannot be loaded"):
        ViewConditionedPrior.from_folder(tmp_path)
