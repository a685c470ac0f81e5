import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from viewdistill.diffusion.conditioning import (
    CLIP_MEAN,
    CLIP_STD,
    WEIGHTS_FILE,
    CameraProjection,
    drop_conditions,
    image_tokens,
    preprocess_for_clip,
)
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.errors import ViewDistillError

ViewBuilder = Callable[..., ViewConditionedPrior]


def test_dropout_by_hand() -> None:
    tokens, latent = torch.ones(8, 3, 2), torch.ones(8, 4, 2, 2)
    uniform = torch.tensor([0.0, 0.049, 0.05, 0.099, 0.10, 0.149, 0.15, 0.99])
    kept_tokens, kept_latent = drop_conditions(tokens, latent, uniform)
    assert kept_tokens[:, 0, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert kept_latent[:, 0, 0, 0].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
    assert torch.equal(kept_tokens[4:], tokens[4:])
    assert torch.equal(kept_latent[6:], latent[6:])
    assert kept_tokens[:4].abs().sum() == kept_latent[2:6].abs().sum() == 0


def test_dropped_tokens_still_carry_the_pose() -> None:
    projection = CameraProjection(3, 3)
    tokens, _ = drop_conditions(torch.randn(2, 1, 3), torch.randn(2, 4, 2, 2), torch.zeros(2))
    context = projection(tokens, torch.tensor([[0.0, 0, 0, 0], [0.3, 1, 0, 0]]))
    assert context[0].abs().max() == 0  # the bias starts at zero
    expected = projection.proj.weight[:, 3:] @ torch.tensor([0.3, 1, 0, 0])
    torch.testing.assert_close(context[1, 0], expected)


def test_projection_starts_as_the_identity_on_tokens() -> None:
    tokens = torch.randn(2, 5, 3)
    context = CameraProjection(3, 4)(tokens, torch.zeros(2, 4))
    torch.testing.assert_close(context[..., :3], tokens)
    assert context[..., 3].abs().max() == 0


def test_every_token_is_joined_with_the_pose_of_its_own_sample() -> None:
    projection = CameraProjection(3, 6, "all")
    tokens, pose = torch.randn(2, 5, 3), torch.randn(2, 4)
    context = projection(tokens, pose)
    for sample in range(2):
        for token in range(5):
            expected = projection.proj(torch.cat([tokens[sample, token], pose[sample]]))
            torch.testing.assert_close(context[sample, token], expected)


def test_clip_input_follows_the_rule_of_zero123(view_prior: ViewBuilder) -> None:
    images = torch.rand(2, 3, 32, 32)
    resized = F.interpolate(images * 2 - 1, (16, 16), mode="bicubic", align_corners=True)
    expected = ((resized + 1) / 2 - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
    torch.testing.assert_close(preprocess_for_clip(images, view_prior().image_encoder), expected, atol=1e-5, rtol=0)


def test_corners_are_aligned_and_colours_normalised(view_prior: ViewBuilder) -> None:
    encoder, images = view_prior().image_encoder, torch.zeros(1, 3, 32, 32)
    images[0, 0, 0, 0] = 1.0
    pixels = preprocess_for_clip(images, encoder)
    assert pixels[0, 0, 0, 0] == pytest.approx((1 - 0.48145466) / 0.26862954, abs=1e-5)
    assert pixels[0, 1, 5, 5] == pytest.approx(-0.4578275 / 0.26130258, abs=1e-5)


def test_first_of_all_tokens_is_the_pooled_one(view_prior: ViewBuilder) -> None:
    encoder = view_prior().image_encoder
    pixels = preprocess_for_clip(torch.rand(2, 3, 32, 32), encoder)
    pooled, every = image_tokens(encoder, pixels, "pooled"), image_tokens(encoder, pixels, "all")
    assert pooled.shape == (2, 1, 12)
    assert every.shape == (2, 5, 12)
    torch.testing.assert_close(every[:, :1], pooled)
    torch.testing.assert_close(pooled[:, 0], encoder(pixel_values=pixels).image_embeds)
    assert (every[:, 1:] - pooled).abs().min(0).values.max() > 1e-3


def test_image_tokens_train_the_encoder(view_prior: ViewBuilder) -> None:
    encoder = view_prior().image_encoder.requires_grad_()
    image_tokens(encoder, preprocess_for_clip(torch.rand(1, 3, 32, 32), encoder), "all").sum().backward()
    gradient = encoder.visual_projection.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", ["proj", "projection"])
def test_both_published_key_names_are_read(tmp_path: Path, name: str) -> None:
    saved = CameraProjection(3, 5, "all")
    saved.save_pretrained(tmp_path)
    weights = load_file(tmp_path / WEIGHTS_FILE)
    save_file({key.replace("proj.", f"{name}."): value for key, value in weights.items()}, tmp_path / WEIGHTS_FILE)
    read = CameraProjection.from_pretrained(tmp_path)
    assert read.tokens == "all"
    assert torch.equal(read.proj.weight, saved.proj.weight)
    assert torch.equal(read.proj.bias, saved.proj.bias)


def test_published_configuration_means_the_pooled_token(tmp_path: Path) -> None:
    CameraProjection(3, 3, "all").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"embedding_dim": 3, "additional_embeddings": 4}))
    assert CameraProjection.from_pretrained(tmp_path).tokens == "pooled"


def test_defects_of_a_projection_are_named(tmp_path: Path) -> None:
    with pytest.raises(ViewDistillError, match=r"config\.json: no such file"):
        CameraProjection.from_pretrained(tmp_path)
    CameraProjection(3, 3).save_pretrained(tmp_path)
    weights = tmp_path / WEIGHTS_FILE
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(ViewDistillError, match="damaged"):
        CameraProjection.from_pretrained(tmp_path)
    weights.unlink()
    with pytest.raises(ViewDistillError, match=f"{WEIGHTS_FILE}.*no such file"):
        CameraProjection.from_pretrained(tmp_path)
    save_file({"linear.weight": torch.ones(2, 2)}, weights)
    with pytest.raises(ViewDistillError, match="not a camera projection"):
        CameraProjection.from_pretrained(tmp_path)
    weights.write_bytes(whole)
    (tmp_path / "config.json").write_text(json.dumps({"tokens": "some"}))
    with pytest.raises(ViewDistillError, match="tokens pooled or all"):
        CameraProjection.from_pretrained(tmp_path)
