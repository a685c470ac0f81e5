"""The unconditional branch of a view-conditioned prior in the form of a text-conditioned prior.

ε_Z(z_t; ∅) is the UNet with a zero context and a zero image latent. Without the input channels of that latent, the same
UNet takes latents alone; and a text tower whose last normalisation is zero gives a zero context, whose length does not
matter, for every text. So ε_S(z_t; ∅) of this prior *is* ε_Z(z_t; ∅), and rectified guidance from it equals the prior's
own classifier-free guidance.
"""

import json
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerBase

from viewdistill.diffusion.loading import load_component, load_tokenizer, locate
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS
from viewdistill.diffusion.priors import ViewConditionedPrior

COMPLETE = "own_unconditional.json"
"""File written last: it names the source and marks completeness."""


def export_own_unconditional(view_prior: Path, text_prior: Path, folder: Path) -> Path:
    """Write the branch as a prior, unless it exists.

    Args:
        view_prior: Its prior: a folder or a name on the hub.
        text_prior: Prior with a tokenizer to copy; texts do not affect the result.
        folder: Folder to write to.

    Returns:
        ``folder``.

    Raises:
        ViewDistillError: A prior cannot be read.
    """
    if (folder / COMPLETE).is_file():
        return folder
    source = locate(view_prior, VIEW_COMPONENTS)
    tokenizer = load_tokenizer(locate(text_prior, TEXT_COMPONENTS))
    prior = ViewConditionedPrior.from_folder(view_prior)
    unet = without_image_latent(load_component(UNet2DConditionModel, source, "unet", torch.float32))
    prior.vae.save_pretrained(folder / "vae")
    unet.save_pretrained(folder / "unet")
    tokenizer.save_pretrained(folder / "tokenizer")
    width = prior.clip_camera_projection.proj.out_features
    silent_text_tower(width, tokenizer).save_pretrained(folder / "text_encoder")
    scheduler = source.folders["scheduler"] / "scheduler_config.json"
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_bytes(scheduler.read_bytes())
    (folder / COMPLETE).write_text(json.dumps({"view_prior": str(view_prior)}) + "\n", encoding="utf-8")
    return folder


def without_image_latent(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Return the same UNet with the noisy latents' input channels only, since all others are zero."""
    config = dict(cast(Any, unet.config))
    channels = config["out_channels"]
    plain = cast(Any, UNet2DConditionModel).from_config({**config, "in_channels": channels})
    weights = unet.state_dict()
    weights["conv_in.weight"] = weights["conv_in.weight"][:, :channels].contiguous()
    plain.load_state_dict(weights)
    return plain


def silent_text_tower(width: int, tokenizer: PreTrainedTokenizerBase) -> CLIPTextModel:
    """Return a text tower with zero output for every text."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=cast(Any, tokenizer).bos_token_id,
        eos_token_id=cast(Any, tokenizer).eos_token_id,
        pad_token_id=cast(Any, tokenizer).pad_token_id,
    )
    tower = CLIPTextModel(config)
    for name, weight in tower.named_parameters():
        if "final_layer_norm" in name:
            torch.nn.init.zeros_(weight)
    return tower
