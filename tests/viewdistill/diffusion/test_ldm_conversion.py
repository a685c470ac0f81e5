"""Original checkpoints become folders that predict the same.

The references are diffusers' own converter for the UNet and the autoencoder, and OpenAI's vision tower written out.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
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
from viewdistill.diffusion import ldm_keys
from viewdistill.diffusion.ldm_checkpoint import read_state_dict
from viewdistill.diffusion.ldm_conversion import convert
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.errors import ViewDistillError

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


class Callback:
    """A class of another program, as Lightning leaves in its checkpoints: as a key, and with a state."""

    def __init__(self) -> None:
        self.best = Path("best.ckpt")


class Trap:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: str) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def test_nothing_in_a_checkpoint_is_run_and_foreign_classes_are_no_obstacle(tmp_path: Path) -> None:
    state = original.tiny_state(ema=False)
    beside = {"callbacks": {Callback: {"best": 1}}, "hyper_parameters": argparse.Namespace(lr=1e-4), "own": Callback()}
    trapped = tmp_path / "trapped"
    trapped.mkdir()
    trap = Trap(tempfile.mkdtemp, "", "sprung", str(trapped))
    read = read_state_dict(original.save_checkpoint(tmp_path / "a.ckpt", state, **beside, trap=trap))
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)
    assert not list(trapped.iterdir())
    pickle.loads(pickle.dumps(trap))  # it does spring elsewhere
    assert list(trapped.iterdir())


def test_a_checkpoint_that_reaches_for_the_system_is_refused(tmp_path: Path) -> None:
    path = original.save_checkpoint(tmp_path / "a.ckpt", {}, trap=Trap(os.mkdir, str(tmp_path / "sprung")))
    with pytest.raises(ViewDistillError, match="damaged, or not a checkpoint of weights alone"):
        read_state_dict(path)
    assert not (tmp_path / "sprung").exists()


def spoil(path: Path, how: str) -> None:
    state = original.tiny_state(ema=how == "ema")
    if how == "truncated":
        original.save_checkpoint(path, state)
        path.write_bytes(path.read_bytes()[:-100_000])
    elif how == "text":
        path.write_text("<html>not found</html>")
    elif how == "no weights":
        torch.save({"epoch": 1}, path)
    else:
        missing = {
            "unet": "model.diffusion_model.output_blocks.8.2.conv.bias",
            "ema": "model_ema.diffusion_modelout2bias",
            "vae": "first_stage_model.decoder.up.1.block.2.conv1.bias",
            "clip": "cond_stage_model.model.visual.transformer.resblocks.1.attn.in_proj_bias",
            "projection": "cc_projection.weight",
        }
        if how in missing:
            del state[missing[how]]
        elif how == "wider":
            state["model.diffusion_model.input_blocks.4.0.out_layers.3.weight"] = torch.zeros(32, 64, 3, 3)
        elif how == "more":
            state["model.diffusion_model.input_blocks.12.0.op.weight"] = torch.zeros(3)
        else:
            state["alphas_cumprod"] = state["alphas_cumprod"] ** 2
        original.save_checkpoint(path, state)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("truncated", "damaged"),
        ("text", "damaged"),
        ("no weights", "holds no weights"),
        ("unet", "no model.diffusion_model.output_blocks.8.2.conv.bias"),
        ("ema", "no model_ema.diffusion_modelout2bias"),
        ("vae", "no first_stage_model.decoder.up.1.block.2.conv1.bias"),
        ("clip", "no cond_stage_model.model.visual.transformer.resblocks.1.attn.in_proj_bias"),
        ("projection", "no cc_projection.weight"),
        ("wider", "shape [32, 64, 3, 3], expected [32, 32, 3, 3]"),
        ("more", "no place in a Zero-1-to-3 model, the first model.diffusion_model.input_blocks.12.0.op.weight"),
        ("schedule", "noise levels"),
    ],
)
def test_what_cannot_be_converted_ends_in_one_line_and_leaves_nothing(
    tmp_path: Path, how: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "zero123.ckpt"
    spoil(path, how)
    assert main(["convert", str(path), str(tmp_path / "priors" / "prior")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"viewdistill convert: {path}: ")
    assert named in captured.err
    assert captured.err.count("\n") == 1
    assert not [child for child in tmp_path.rglob("*") if child.is_file() and child != path]


def test_a_missing_checkpoint_and_a_taken_place_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "zero123-xl.ckpt"
    assert main(["convert", str(absent), str(tmp_path / "prior")]) == 2
    assert f"{absent}: no such checkpoint; fetch it from" in capsys.readouterr().err
    (tmp_path / "prior").mkdir()
    (tmp_path / "prior" / "note.txt").write_text("mine")
    assert main(["convert", str(absent), str(tmp_path / "prior")]) == 2
    assert "prior: exists already" in capsys.readouterr().err


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
from viewdistill.diffusion.ldm_conversion import convert
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
