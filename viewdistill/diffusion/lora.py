"""LoRA (Hu et al. 2021) on the attention of a UNet, through peft, in the file layout that diffusers loads.

Queries, keys, values and output projections of every self- and cross-attention get W + B A with A [rank, in] and
B [out, rank]; alpha equals the rank, so that nothing else scales them.
"""

from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from viewdistill.errors import ViewDistillError
from viewdistill.files import check_digest
from viewdistill.finite import non_finite

TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]
"""Linear layers of an attention block."""

PREFIX = "unet."
"""Prefix of a UNet adapter's names in diffusers' pipelines."""


def add_lora(unet: UNet2DConditionModel, rank: int, generator: torch.Generator) -> None:
    """Add an adapter that changes nothing yet; its weights are fp32 and the only trainable ones.

    Args:
        unet: Its own weights are frozen.
        rank: Rank of every update.
        generator: Source of A ~ N(0, 1/rank²); B is 0.
    """
    unet.requires_grad_(False)
    cast(Any, unet).add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS))
    for name, weight in lora_weights(unet).items():
        # peft gives adapters the precision of the weights they stand beside, in which small updates would be lost.
        weight.data = weight.data.float()
        if "lora_A" in name:
            nn.init.normal_(weight, std=1 / rank, generator=generator)


def lora_weights(unet: nn.Module) -> dict[str, nn.Parameter]:
    """Return names and weights of the adapter, as the UNet calls them."""
    return {name: weight for name, weight in unet.named_parameters() if ".lora_" in name}


def save_lora(unet: UNet2DConditionModel, path: Path) -> None:
    """Write the adapter, for `load_lora` and for ``load_lora_weights`` of any diffusers pipeline."""
    state: dict[str, Tensor] = get_peft_model_state_dict(unet)
    save_file({f"{PREFIX}{name}": weight.contiguous() for name, weight in state.items()}, path, {"format": "pt"})


def load_lora(unet: UNet2DConditionModel, path: Path) -> None:
    """Add the adapter that `save_lora` wrote; it can be trained further.

    Raises:
        ViewDistillError: The file is missing or damaged, not finite, or holds an adapter of another UNet.
    """
    if path.is_dir():
        raise ViewDistillError(f"{path}: a folder; give the LoRA file in it")
    if path.is_file():
        # safetensors has no checksum: a changed number would be taken for a weight.
        check_digest(path, "run the stage that writes it again")
    try:
        state = {name.removeprefix(PREFIX): weight for name, weight in load_file(path).items()}
    except FileNotFoundError as error:
        raise ViewDistillError(f"{path}: no such file; run the stage that writes this LoRA first") from error
    except (OSError, SafetensorError) as error:
        raise ViewDistillError(f"{path}: damaged LoRA ({error}); run the stage that writes it again") from error
    ranks = {len(weight) for name, weight in state.items() if "lora_A" in name}
    if len(ranks) != 1:
        raise ViewDistillError(f"{path}: not a LoRA of one rank; run the stage that writes it again")
    if name := non_finite(state):
        raise ViewDistillError(f"{path}: {name} is not finite; run the stage that writes it again")
    add_lora(unet, ranks.pop(), torch.Generator())
    expected = {name: weight.shape for name, weight in get_peft_model_state_dict(unet).items()}
    if {name: weight.shape for name, weight in state.items()} != expected:
        raise ViewDistillError(f"{path}: a LoRA of another UNet; run the stage that writes it again, with this prior")
    set_peft_model_state_dict(unet, state)
