"""The frozen priors of a folder, loaded once in a process and made ready for the device that evaluates them."""

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
    """The frozen view-conditioned prior of a folder, ready to be evaluated on a device.

    A process that asks for a shared one again gets the same object, unless a file of the prior has changed: leave it as
    it is.

    Args:
        folder: Diffusers layout, or a name on the hub.
        precision: Of its weights.
        device: Where they go.
        shared: Whether it may be the object that others use.

    Raises:
        ViewDistillError: The prior is missing or damaged.
    """
    load = _view_prior if shared else _view_prior.__wrapped__
    return load(folder, precision, device, _state_of_files(folder, VIEW_COMPONENTS))


def load_text_prior(
    folder: str, precision: Precision, device: torch.device, shared: bool = True
) -> TextConditionedPrior:
    """The frozen text-conditioned prior of a folder, ready to be evaluated; kept as in `load_view_prior`."""
    load = _text_prior if shared else _text_prior.__wrapped__
    return load(folder, precision, device, _state_of_files(folder, TEXT_COMPONENTS))


def _state_of_files(folder: str, components: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    """Path, size (bytes) and time of every file of a prior; digests of gigabytes would take as long as reading them."""
    source = locate(Path(folder), components)
    files = [path for component in source.files for path in source.paths(component)]
    return tuple((str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


# Two, so that stages of different precision do not drive each other's priors out.
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
    """Let the networks compute in the way that is fastest on a device; what they compute stays the same.

    Attention is plain on a CPU, where the fused form is slower for few tokens. Convolutions are channels-last: their
    libraries would bring every input into an order of that kind, and back.
    """
    if device.type == "cpu":
        prior.unet.set_attn_processor(AttnProcessor())
    for network in (prior.unet, prior.vae):
        cast(nn.Module, network).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
