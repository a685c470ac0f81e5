"""Original checkpoints become folders that predict the same.

The references are diffusers' own converter for the UNet and the autoencoder, and OpenAI's vision tower written out.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from commands.main import main
from tests.viewdistill.diffusion import original_checkpoint as original
from viewdistill.diffusion.ldm import keys as ldm_keys
from viewdistill.diffusion.ldm.conversion import convert
from viewdistill.diffusion.priors import ViewConditionedPrior

T = torch.tensor([40, 700])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted checkpoint with a moving average."""
    root = tmp_path_factory.mktemp("converted")
    path = original.save_checkpoint(root / "zero123-xl.ckpt", original.tiny_state())
    convert(path, root / "prior", "relative")
    return root / "prior"


def reference_unet(state: dict[str, Tensor], config: Any, ema: bool) -> UNet2DConditionModel:
    """Converted by diffusers."""
    unet: Any = UNet2DConditionModel.from_config(config)
    weights = single_file_utils.convert_ldm_unet_checkpoint(dict(state), dict(config), extract_ema=ema)
    unet.load_state_dict(weights)
    return unet.eval()


@pytest.mark.parametrize("ema", [True, False])
def test_noise_is_that_of_the_original_unet_with_its_moving_average_if_it_has_one(tmp_path: Path, ema: bool) -> None:
    state = original.tiny_state(ema=ema)
    result = convert(original.save_checkpoint(tmp_path / "a.ckpt", state), tmp_path / "prior", "relative")
    assert result.ema == ema
    prior = ViewConditionedPrior.from_folder(tmp_path / "prior")
    noisy, context = torch.randn(2, 8, 32, 32), torch.randn(2, 1, 24)
    for taken in (True, False) if ema else (False,):
        with torch.no_grad():
            expected = reference_unet(state, prior.unet.config, taken)(noisy, T, context).sample
            output = prior.unet(noisy, T, context).sample  # pyright: ignore[reportAttributeAccessIssue]
        assert torch.allclose(output, expected, atol=1e-6) == (taken == ema)


def test_images_are_encoded_and_decoded_as_by_the_original_autoencoder(folder: Path) -> None:
    prior = ViewConditionedPrior.from_folder(folder)
    reference: Any = AutoencoderKL.from_config(prior.vae.config)
    weights = single_file_utils.convert_ldm_vae_checkpoint(original.tiny_state(), dict(prior.vae.config))
    reference.load_state_dict(weights)
    images, latents = torch.rand(1, 3, 64, 64), torch.randn(1, 4, 8, 8)
    assert prior.scaling_factor == 0.18215
    with torch.no_grad():
        expected = reference.encode(images * 2 - 1).latent_dist.mode()
        torch.testing.assert_close(prior.encode_images(images) / 0.18215, expected)
        decoded = reference.decode(latents / 0.18215).sample
        torch.testing.assert_close(prior.decode_latents(latents), (decoded / 2 + 0.5).clamp(0, 1))


def test_image_embedding_is_that_of_the_original_tower(folder: Path) -> None:
    encoder = ViewConditionedPrior.from_folder(folder).image_encoder
    tower = original.tiny_tower().eval()
    prefix = "cond_stage_model.model.visual."
    weights = {k.removeprefix(prefix): v for k, v in original.tiny_state().items() if k.startswith(prefix)}
    tower.load_state_dict(weights)
    pixels = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(encoder(pixel_values=pixels).image_embeds, tower(pixels), atol=1e-5, rtol=1e-4)


def test_a_converted_folder_predicts_what_the_original_code_would(folder: Path) -> None:
    prior, state = ViewConditionedPrior.from_folder(folder), original.tiny_state()
    images, noisy, pose = torch.rand(1, 3, 256, 256), torch.randn(2, 4, 32, 32), torch.randn(2, 4)
    condition = prior.condition(images)
    joined = torch.cat([condition.tokens.expand(2, -1, -1), pose[:, None]], -1)
    context = nn.functional.linear(joined, state["cc_projection.weight"], state["cc_projection.bias"])
    both = torch.cat([noisy, condition.latent.expand(2, -1, -1, -1)], 1)
    with torch.no_grad():
        expected = reference_unet(state, prior.unet.config, True)(both, T, context).sample
    torch.testing.assert_close(prior.predict_noise(noisy, T, condition, pose), expected, atol=1e-5, rtol=1e-4)


def full_size() -> list[tuple[str, int, set[str], set[str]]]:
    """Of each network at full size: its parameters, our names of its weights, and the original's own."""
    models: Any = UNet2DConditionModel
    autoencoder: Any = AutoencoderKL
    clip = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        projection_dim=768,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=224,
        patch_size=14,
    )
    with torch.device("meta"):
        unet = models(sample_size=32, in_channels=8, cross_attention_dim=768, attention_head_dim=8)
        vae = autoencoder(
            block_out_channels=original.FULL_AUTOENCODER,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        encoder = CLIPVisionModelWithProjection(clip)

    def of(
        name: str, module: nn.Module, key: Callable[[str], str], there: set[str]
    ) -> tuple[str, int, set[str], set[str]]:
        return name, sum(p.numel() for p in module.parameters()), {key(k) for k in module.state_dict()}, there

    return [
        of("unet", unet, ldm_keys.unet_key, set(original.unet_shapes(original.FULL_UNET, 768))),
        of(
            "vae",
            vae,
            lambda k: ldm_keys.autoencoder_key(k, 4),
            set(original.autoencoder_shapes(original.FULL_AUTOENCODER)),
        ),
        of("clip", encoder, lambda k: ldm_keys.clip_key(k)[0], set(original.full_tower().state_dict())),
    ]


def test_every_weight_of_the_published_sizes_has_its_place() -> None:
    counts = {}
    for name, parameters, asked_for, there in full_size():
        assert asked_for == there
        counts[name] = parameters
    # Stable Diffusion 1's UNet with four more input channels, its autoencoder, and CLIP ViT-L/14's vision tower.
    assert counts == {"unet": 859_520_964 + 4 * 320 * 9, "vae": 83_653_863, "clip": 303_966_208}
    assert sum(torch.Size(s).numel() for s in original.unet_shapes(original.FULL_UNET, 768).values()) == counts["unet"]


def test_names_of_the_facts() -> None:
    assert ldm_keys.ema_key("input_blocks.0.0.weight") == "model_ema.diffusion_modelinput_blocks00weight"
    assert ldm_keys.unet_key("up_blocks.0.upsamplers.0.conv.bias") == "output_blocks.2.1.conv.bias"
    assert ldm_keys.unet_key("up_blocks.1.upsamplers.0.conv.bias") == "output_blocks.5.2.conv.bias"
    assert ldm_keys.unet_key("down_blocks.1.downsamplers.0.conv.bias") == "input_blocks.6.0.op.bias"
    assert (
        ldm_keys.autoencoder_key("decoder.up_blocks.1.upsamplers.0.conv.bias", 4) == "decoder.up.2.upsample.conv.bias"
    )
    assert ldm_keys.clip_key("vision_model.pre_layrnorm.bias") == ("ln_pre.bias", None)


def test_an_interrupted_conversion_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = original.save_checkpoint(tmp_path / "stable_zero123.ckpt", original.tiny_state(ema=False))
    left = tmp_path / ".partial-prior" / "unet"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    assert main(["convert", str(path), str(tmp_path / "prior")]) == 0
    out = capsys.readouterr().out
    assert "no moving average" in out
    assert "fourth pose number input_polar" in out
    assert {child.name for child in tmp_path.iterdir()} == {path.name, "prior"}
    assert not list((tmp_path / "prior").rglob("half"))
    assert ViewConditionedPrior.from_folder(tmp_path / "prior").pose == "input_polar"


MEASURE = """
import sys, pathlib
from viewdistill.diffusion.ldm.conversion import convert
def memory(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
before = memory("VmRSS")
convert(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), "relative")
print(memory("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_a_conversion_holds_no_second_copy_in_memory(tmp_path: Path) -> None:
    # Without a moving average every byte has to be read, which is the most that a file of this size can ask for.
    state = original.tiny_state(widths=(96, 192, 256, 320), ema=False)
    path = original.save_checkpoint(tmp_path / "a.ckpt", state)
    size = path.stat().st_size
    assert 190e6 < size < 260e6
    command = [sys.executable, "-c", MEASURE, str(path), str(tmp_path / "prior")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, env=environment)
    print(f"checkpoint {size / 1e6:.0f} MB, peak {int(done.stdout) / 1e6:.0f} MB")
    assert int(done.stdout) < 1.5 * size
