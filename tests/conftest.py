"""Fixtures that tests of several folders share: a tiny prior and a finished input stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datamodules.runs.run_folder import InputMeta, RunFolder, write_json


@pytest.fixture(autouse=True)
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No runs of W&B but where a test asks for them: each costs a second."""
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.fixture(scope="session")
def tiny_prior_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both priors with random weights, for 16-pixel images, in the folders of `priors/nano`."""
    folder = tmp_path_factory.mktemp("priors")
    write_tiny_priors(folder)
    return folder


def write_tiny_priors(folder: Path) -> None:
    """Write what `tiny_prior_folder` is."""
    # Here and not above: tests without a prior should not wait for these imports.
    import diffusers
    import torch
    import transformers

    from datamodules.objects.captions import build_tokenizer
    from viewdistill.diffusion.conditioning import CameraProjection

    # Their own annotations are narrower than what they take.
    models: Any = diffusers
    towers: Any = transformers

    def tiny_unet(in_channels: int) -> Any:
        return models.UNet2DConditionModel(
            sample_size=4,
            in_channels=in_channels,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=8,
            attention_head_dim=2,
            norm_num_groups=4,
        )

    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = models.AutoencoderKL(
            block_out_channels=(8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=1,
            norm_num_groups=4,
            sample_size=16,
            mid_block_add_attention=False,
        )
        tokenizer = build_tokenizer(["a red mug with white stripes", "a teal table"], vocabulary_size=128)
        text_encoder = towers.CLIPTextModel(
            towers.CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=8,
                intermediate_size=16,
                projection_dim=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=tokenizer.model_max_length,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        image_encoder = towers.CLIPVisionModelWithProjection(
            towers.CLIPVisionConfig(
                hidden_size=8,
                intermediate_size=16,
                projection_dim=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=16,
                patch_size=8,
            )
        )
        scheduler = models.DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction"
        )
        for name in ("stable-diffusion", "zero123"):
            vae.save_pretrained(folder / name / "vae")
            scheduler.save_pretrained(folder / name / "scheduler")
        tiny_unet(4).save_pretrained(folder / "stable-diffusion" / "unet")
        text_encoder.save_pretrained(folder / "stable-diffusion" / "text_encoder")
        tokenizer.save_pretrained(folder / "stable-diffusion" / "tokenizer")
        tiny_unet(8).save_pretrained(folder / "zero123" / "unet")
        image_encoder.save_pretrained(folder / "zero123" / "image_encoder")
        CameraProjection(8, 8, tokens="all").save_pretrained(folder / "zero123" / "clip_camera_projection")


@pytest.fixture
def run_folder(tmp_path: Path) -> RunFolder:
    """A finished input stage: a red disc with a blue lower half, seen from 20 degrees above."""
    folder = RunFolder(tmp_path / "runs" / "disc")
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 0], rgba[..., 2] = 220 * (y < 0), 200 * (y >= 0)
    rgba[..., 3] = 255 * (x**2 + y**2 < 0.4)
    folder.rgba.parent.mkdir(parents=True)
    Image.fromarray(rgba).save(folder.rgba)
    InputMeta("disc", elevation_deg=20.0, framing="kept", source="disc.png", caption="a red mug").save(
        folder.input_meta
    )
    write_json(folder.record("input"), {"stage": "input", "seconds": 0.0, "peak_memory_mb": 0.0, "files": {}})
    return folder
