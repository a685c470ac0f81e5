"""Priors with random weights in the layout of the published ones: of their sizes, or tiny."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from datamodules.objects.captions import build_tokenizer
from viewdistill.diffusion.conditioning import CameraProjection

# diffusers' and transformers' annotations are narrower than their accepted types
models: Any = diffusers
towers: Any = transformers

VIEW_PRIOR, TEXT_PRIOR, STABLE_PRIOR = "zero123-xl", "stable-diffusion-2-1-base", "stable-zero123"
"""Names of the priors' folders, which determine the meaning of the fourth pose number."""

UNET: dict[str, Any] = {
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "layers_per_block": 2,
}
ZERO123_UNET = UNET | {"in_channels": 8, "sample_size": 32, "cross_attention_dim": 768, "attention_head_dim": 8}
STABLE_DIFFUSION_UNET = UNET | {
    "in_channels": 4,
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
AUTOENCODER: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "scaling_factor": 0.18215,
}
TEXT_TOWER: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
    "projection_dim": 512,
}
IMAGE_TOWER: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "projection_dim": 768,
}
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}

NARROW: dict[str, Any] = {"block_out_channels": (8, 8, 16, 16), "norm_num_groups": 4, "layers_per_block": 1}
"""In place of the widths of UNets and autoencoders; kinds and order of the blocks stay."""
NARROW_TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
"""In place of the widths of towers."""

Parts = Mapping[str, Mapping[str, Callable[[], Any]]]
"""Prior → component → factory of random weights."""

PARTS: Parts = {
    VIEW_PRIOR: {
        "unet": lambda: models.UNet2DConditionModel(**ZERO123_UNET),
        "vae": lambda: models.AutoencoderKL(**AUTOENCODER),
        "image_encoder": lambda: towers.CLIPVisionModelWithProjection(towers.CLIPVisionConfig(**IMAGE_TOWER)),
        "clip_camera_projection": lambda: CameraProjection(768, 768),
    },
    TEXT_PRIOR: {
        "unet": lambda: models.UNet2DConditionModel(**STABLE_DIFFUSION_UNET),
        "vae": lambda: models.AutoencoderKL(**AUTOENCODER),
        "text_encoder": lambda: towers.CLIPTextModel(towers.CLIPTextConfig(**TEXT_TOWER)),
    },
}
"""The sizes of the published priors."""

TINY_PARTS: Parts = {
    VIEW_PRIOR: {
        "unet": lambda: models.UNet2DConditionModel(
            **ZERO123_UNET | NARROW | {"sample_size": 8, "cross_attention_dim": 16, "attention_head_dim": 2}
        ),
        "vae": lambda: models.AutoencoderKL(**AUTOENCODER | NARROW),
        "image_encoder": lambda: towers.CLIPVisionModelWithProjection(
            towers.CLIPVisionConfig(**IMAGE_TOWER | NARROW_TOWER | {"patch_size": 56, "projection_dim": 16})
        ),
        "clip_camera_projection": lambda: CameraProjection(16, 16),
    },
    TEXT_PRIOR: {
        "unet": lambda: models.UNet2DConditionModel(
            **STABLE_DIFFUSION_UNET
            | NARROW
            | {"sample_size": 16, "cross_attention_dim": 16, "attention_head_dim": (1, 2, 4, 4)}
        ),
        "vae": lambda: models.AutoencoderKL(**AUTOENCODER | NARROW),
        "text_encoder": lambda: towers.CLIPTextModel(towers.CLIPTextConfig(**TEXT_TOWER | NARROW_TOWER)),
    },
}
"""The same layouts with narrow layers, for pictures of 64 and 128 pixels."""


def make_priors(folder: Path, parts: Parts = PARTS) -> None:
    """Write the priors in half precision, component by component; existing ones are kept.

    Stable-Zero123 is Zero123-XL's files under its own name: the layout is the same.

    Args:
        folder: Folder of all of them.
        parts: Factories of the components.
    """
    torch.manual_seed(0)
    for prior, components in parts.items():
        for name, build in components.items():
            if not (folder / prior / name / "config.json").is_file():
                print(f"making {prior}/{name}", flush=True)
                build().half().save_pretrained(folder / prior / name)
        models.DDIMScheduler(**NOISE).save_pretrained(folder / prior / "scheduler")
    tokenizer = build_tokenizer(["a photo of a toy robot"])
    tokenizer.model_max_length = 77
    tokenizer.save_pretrained(folder / TEXT_PRIOR / "tokenizer")
    if not (folder / STABLE_PRIOR).exists():
        (folder / STABLE_PRIOR).symlink_to(VIEW_PRIOR)
