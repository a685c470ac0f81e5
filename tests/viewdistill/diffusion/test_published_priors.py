"""What published priors have that the embedded ones have not: sizes, older file formats, other poses, velocity."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from tests.viewdistill.diffusion.saved_priors import as_old_port, save
from viewdistill.diffusion.loading import load_tokenizer, locate
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError

ViewBuilder = Callable[..., ViewConditionedPrior]
TextBuilder = Callable[..., TextConditionedPrior]

T = torch.tensor([40, 700])

STABLE_DIFFUSION_2_1 = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}


def test_sizes_of_stable_diffusion() -> None:
    models: Any = UNet2DConditionModel
    texts: Any = CLIPTextConfig
    heads_of_2 = {"attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
    with torch.device("meta"):
        unets = models(cross_attention_dim=768), models(cross_attention_dim=1024, **heads_of_2)
        wide = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
        slim = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
        towers = CLIPTextModel(texts(**slim)), CLIPTextModel(texts(**wide))
    counts = [sum(p.numel() for p in module.parameters()) for module in (*unets, *towers)]
    assert counts == [859_520_964, 865_910_724, 123_060_480, 340_387_840]
    shapes = [unet.state_dict()["mid_block.attentions.0.proj_in.weight"].shape for unet in unets]
    assert shapes == [(1280, 1280, 1, 1), (1280, 1280)]


def test_velocity_of_stable_diffusion_2_1_is_converted(tmp_path: Path, text_prior: TextBuilder) -> None:
    folder, noisy = save(text_prior(), tmp_path), torch.randn(2, 4, 8, 8)
    output = TextConditionedPrior.from_folder(folder).predict_noise(noisy, T, text_prior().encode_text([""]))
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(STABLE_DIFFUSION_2_1))
    prior = TextConditionedPrior.from_folder(folder)
    assert prior.schedule == NoiseSchedule(prediction_type="v_prediction")
    a = prior.schedule.alpha_bar(T)
    expected = a.sqrt() * output + (1 - a).sqrt() * noisy
    torch.testing.assert_close(prior.predict_noise(noisy, T, prior.encode_text([""])), expected)


def test_a_prediction_type_that_is_not_known_is_refused(tmp_path: Path, text_prior: TextBuilder) -> None:
    folder = save(text_prior(), tmp_path)
    config = STABLE_DIFFUSION_2_1 | {"prediction_type": "sample"}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    with pytest.raises(ViewDistillError, match="prediction_type is 'sample', expected epsilon or v_prediction"):
        TextConditionedPrior.from_folder(folder)


@pytest.mark.parametrize("polar_of", [-20.0, 35.0])
def test_the_fourth_pose_number_of_stable_zero123(tmp_path: Path, view_prior: ViewBuilder, polar_of: float) -> None:
    plain = ViewConditionedPrior.from_folder(save(view_prior(tokens="pooled"), tmp_path / "zero123"))
    shutil.copytree(tmp_path / "zero123", tmp_path / "stable-zero123")
    stable = ViewConditionedPrior.from_folder(tmp_path / "stable-zero123")
    images, noisy, pose = torch.rand(1, 3, 32, 32), torch.randn(2, 4, 8, 8), torch.randn(2, 4)
    absolute = pose.clone()
    absolute[:, 3] = math.radians(90 - polar_of)
    condition = stable.condition(images, polar_of)
    expected = plain.predict_noise(noisy, T, plain.condition(images, polar_of), absolute)
    torch.testing.assert_close(stable.predict_noise(noisy, T, condition, pose), expected)
    pair, _ = stable.predict_noise_pair(noisy, T, condition, pose)
    torch.testing.assert_close(pair, expected, atol=1e-5, rtol=1e-4)
    relative = plain.predict_noise(noisy, T, plain.condition(images, polar_of), pose)
    assert not torch.allclose(relative, expected, atol=1e-4)
    with pytest.raises(ViewDistillError, match=r"Stable-Zero123.*elevation"):
        stable.condition(images)


def test_what_a_conversion_noted_counts_more_than_a_name(tmp_path: Path, view_prior: ViewBuilder) -> None:
    config = save(view_prior(), tmp_path / "mine") / "clip_camera_projection" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"pose": "input_polar"}))
    assert ViewConditionedPrior.from_folder(tmp_path / "mine").pose == "input_polar"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"pose": "relative"}))
    (tmp_path / "mine").rename(tmp_path / "stable-zero123")
    assert ViewConditionedPrior.from_folder(tmp_path / "stable-zero123").pose == "relative"


@pytest.mark.parametrize("pad", ["!", "<|endoftext|>"])
def test_tokenizers_of_older_repositories_pad_as_their_models_were_trained(tmp_path: Path, pad: str) -> None:
    # Stable Diffusion 2 pads with "!", by special_tokens_map.json against its tokenizer_config.json; 1.5 with the end.
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    tokens = ["!", "!</w>", "a", "a</w>", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = ends | {"pad_token": "<|endoftext|>", "model_max_length": 6, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(ends | {"pad_token": pad}))
    tokenizer = load_tokenizer(locate(tmp_path, ("tokenizer",)))
    assert tokenizer([""], padding="max_length")["input_ids"] == [[4, 5, *[tokens.index(pad)] * 4]]


def test_older_weights_of_the_autoencoder_and_of_clip(tmp_path: Path, view_prior: ViewBuilder) -> None:
    folder = save(view_prior(tokens="pooled"), tmp_path)
    expected = ViewConditionedPrior.from_folder(folder)
    encoder = folder / "image_encoder" / "model.safetensors"
    extra = {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    save_file(load_file(encoder) | extra, encoder, metadata={"format": "pt"})
    as_old_port(folder)
    read = ViewConditionedPrior.from_folder(folder)
    for one, other in zip(expected.parameters(), read.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda f: (f / "unet" / "config.json").unlink(), r"unet/config\.json: no such file \(there are: diffusion_"),
        (
            lambda f: (f / "scheduler" / "scheduler_config.json").rename(f / "scheduler" / "x"),
            r"scheduler_config\.json",
        ),
        (
            lambda f: (f / "vae" / "diffusion_pytorch_model.safetensors").rename(f / "vae" / "model.safetensors"),
            r"vae: no weights named diffusion_pytorch_model\.safetensors or .*\(other files: model\.safetensors\)",
        ),
        (
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").rename(
                f / "unet" / "diffusion_pytorch_model.fp16.safetensors"
            ),
            r"unet: only weights of the variant fp16; ask for it by `:fp16`",
        ),
        (
            lambda f: (f / "tokenizer" / "tokenizer.json").unlink(),
            r"tokenizer: neither tokenizer\.json nor vocab\.json",
        ),
        (
            lambda f: (f / "text_encoder" / "model.safetensors").write_bytes(b"short"),
            r"text_encoder: cannot be loaded as CLIPTextModel",
        ),
    ],
)
def test_a_defect_of_a_folder_is_named(
    tmp_path: Path, text_prior: TextBuilder, spoil: Callable[[Path], object], named: str
) -> None:
    spoil(save(text_prior(), tmp_path))
    with pytest.raises(ViewDistillError, match=named) as raised:
        TextConditionedPrior.from_folder(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("component", ["unet", "cc_projection", "image_encoder"])
def test_truncated_pickles_are_named(tmp_path: Path, view_prior: ViewBuilder, component: str) -> None:
    as_old_port(save(view_prior(tokens="pooled"), tmp_path))
    (weights,) = (tmp_path / component).glob("*.bin")
    weights.write_bytes(weights.read_bytes()[:600])
    with pytest.raises(ViewDistillError, match=rf"{component}: cannot be loaded") as raised:
        ViewConditionedPrior.from_folder(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_of_the_other_kind_is_refused(
    tmp_path: Path, view_prior: ViewBuilder, text_prior: TextBuilder
) -> None:
    view, text = save(view_prior(), tmp_path / "view"), save(text_prior(), tmp_path / "text")
    shutil.rmtree(text / "unet")
    shutil.copytree(view / "unet", text / "unet")
    with pytest.raises(ViewDistillError, match=r"unet takes 8 channels .* a text-conditioned prior has 4"):
        TextConditionedPrior.from_folder(text)


def test_a_published_prior_that_is_missing_says_how_to_fetch_it_to_its_place(tmp_path: Path) -> None:
    with pytest.raises(ViewDistillError) as raised:
        locate(tmp_path / "stable-diffusion-v1-5", TEXT_COMPONENTS)
    revision = "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"
    assert (
        f"`hf download stable-diffusion-v1-5/stable-diffusion-v1-5 --revision {revision} --local-dir {tmp_path}"
        in str(raised.value)
    )
