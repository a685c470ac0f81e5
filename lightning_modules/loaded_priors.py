"""Frozen priors of a folder, loaded once per process and prepared for their device."""

import functools
from pathlib import Path
from typing import cast

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from viewdistill.diffusion.latents import LatentDiffusionPrior
from viewdistill.diffusion.loading import locate
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.precision import Precision, dtype_of


def load_view_prior(
    folder: str, precision: Precision, device: torch.device, shared: bool = True
) -> ViewConditionedPrior:
    """Load the frozen view-conditioned prior of a folder, ready for evaluation on a device.

    A shared prior is cached per process, until one of its files changes: do not modify it.

    Args:
        folder: Diffusers layout, or a name on the hub.
        precision: Precision of its weights.
        device: Device of its weights.
        shared: Whether to use the cached object.

    Raises:
        ViewDistillError: The prior is missing or damaged.
    """
    load = _view_prior if shared else _view_prior.__wrapped__
    return load(folder, precision, device, _state_of_files(folder, VIEW_COMPONENTS))


def load_text_prior(
    folder: str, precision: Precision, device: torch.device, shared: bool = True
) -> TextConditionedPrior:
    """Load the frozen text-conditioned prior of a folder, ready for evaluation; cached as in `load_view_prior`."""
    load = _text_prior if shared else _text_prior.__wrapped__
    return load(folder, precision, device, _state_of_files(folder, TEXT_COMPONENTS))


def _state_of_files(folder: str, components: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    """Return path, size (bytes) and time of every file of a prior; digests would take as long as reading gigabytes."""
    source = locate(Path(folder), components)
    files = [path for component in source.files for path in source.paths(component)]
    return tuple((str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


# Two, so that stages of different precision do not evict each other's priors.
@functools.lru_cache(maxsize=2)
def _view_prior(
    folder: str, precision: Precision, device: torch.device, state: tuple[tuple[str, int, int], ...]
) -> ViewConditionedPrior:
    prior = ViewConditionedPrior.from_folder(Path(folder), dtype_of(precision, device), device)
    suit_to_device(prior, device)
    return prior


@functools.lru_cache(maxsize=2)
def _text_prior(
    folder: str, precision: Precision, device: torch.device, state: tuple[tuple[str, int, int], ...]
) -> TextConditionedPrior:
    prior = TextConditionedPrior.from_folder(Path(folder), dtype_of(precision, device), device)
    suit_to_device(prior, device)
    return prior


def suit_to_device(prior: LatentDiffusionPrior, device: torch.device) -> None:
    """Select the fastest implementation of networks on a device; their function stays the same.

    Attention is unfused on a CPU, where the fused form is slower for few tokens. Convolutions are channels-last,
    because their libraries would otherwise reorder every input, and back.
    """
    if device.type == "cpu":
        prior.unet.set_attn_processor(AttnProcessor())
    for network in (prior.unet, prior.vae):
        cast(nn.Module, network).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
