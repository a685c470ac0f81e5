"""Priors written to disk, as trainings and as published ports lay them out."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors.torch import load_file

from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior

COMPONENTS = ("vae", "unet", "text_encoder", "tokenizer", "image_encoder", "clip_camera_projection", "lifting")


def save(prior: TextConditionedPrior | ViewConditionedPrior, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Write a prior as a training run does, with stock methods."""
    prior.to(dtype)
    for name in COMPONENTS:
        component: Any = getattr(prior, name, None)
        if component is not None:
            component.save_pretrained(folder / name)
    DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prior.prediction_type,
    ).save_pretrained(folder / "scheduler")
    prior.float()
    return folder


def as_old_port(folder: Path) -> None:
    """Turn a view-conditioned prior into one of the family with ``cc_projection``: pickled weights, other names."""
    for weights in list(folder.glob("*/*.safetensors")):
        state = load_file(weights)
        if weights.parent.name == "clip_camera_projection":
            state = {key.replace("proj.", "projection."): value for key, value in state.items()}
        name = "pytorch_model.bin" if weights.name == "model.safetensors" else "diffusion_pytorch_model.bin"
        torch.save(state, weights.with_name(name))
        weights.unlink()
    projection = (folder / "clip_camera_projection").rename(folder / "cc_projection")
    (projection / "config.json").write_text(json.dumps({"_class_name": "CCProjection"}))
