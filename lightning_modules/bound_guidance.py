"""Guidance ready for a fit: the method, and the frozen priors bound to the input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch

from datamodules.cameras import InputView
from lightning_modules.guidance_settings import GuidanceSettings
from lightning_modules.loaded_priors import load_text_prior, load_view_prior, suit_to_device
from lightning_modules.reference_score import ReferenceView
from viewdistill.diffusion.latents import LatentDiffusionPrior
from viewdistill.diffusion.placement import compile_network, take_turns
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.method import GuidanceMethod
from viewdistill.guidance.predictors import Predictors, ViewPrior
from viewdistill.guidance.timesteps import Timesteps


@dataclass(frozen=True)
class BoundGuidance:
    """A method with its priors. Not a module: neither belongs in a checkpoint or an optimiser of the field."""

    method: GuidanceMethod | None
    """Method; None if novel views are not scored."""
    timesteps: Timesteps
    """Noise levels of the novel views."""
    predictors: Predictors
    """The priors that are needed, and what they know of the input."""
    references: tuple[ReferenceView, ...]
    """The input view and further references, where they are scored; in turn, one a step."""


def bind(
    settings: GuidanceSettings, views: Sequence[InputView], caption: str, reference: bool, device: torch.device
) -> BoundGuidance:
    """Load the priors of a method and bind them to the input.

    Args:
        settings: Method and priors.
        views: The input image, then further references.
        caption: Words for the object.
        reference: Whether the reference-view score is asked for, too.
        device: Where the field is fitted.

    Raises:
        ViewDistillError: A prior is missing, damaged or unsuitable, or the method compares nothing.
    """
    view, *others = views
    method = settings.build_method()
    sources = {branch.source for branch in method.branches} if method is not None else set[str]()
    if method is not None and not sources:
        raise ViewDistillError("model.guidance compares no predictions: λ and s are both 0; give one of them a value")
    view_prior = own_or_loaded(settings, device) if "view" in sources else None
    text_prior = None
    if "text" in sources or reference:
        text_prior = load_text_prior(settings.text_prior, settings.precision, device, settings.shares_priors)
    place(settings, [prior for prior in (view_prior, text_prior) if prior is not None], device)
    predictors = Predictors(
        cast(ViewPrior | None, view_prior),
        text_prior,
        image=view.resized(view_prior.image_size)[0].to(device) if view_prior is not None else None,
        elevation_deg=float(view.cameras.elevation),
        further=[other.further for other in others],
        text=settings.prompt if settings.prompt is not None else caption,
        negative_text=settings.negative_prompt,
    )
    if method is not None:
        method.bind(predictors)
    references: tuple[ReferenceView, ...] = ()
    if reference and text_prior is not None:
        references = tuple(ReferenceView(text_prior, settings.reference_timesteps, each, device) for each in views)
    return BoundGuidance(method, settings.timesteps or (method or GuidanceMethod).timesteps, predictors, references)


def own_or_loaded(settings: GuidanceSettings, device: torch.device) -> LatentDiffusionPrior:
    """Return the view-conditioned prior, of a custom class or from a folder.

    Raises:
        ViewDistillError: The class lacks a method of `ViewPrior`, or the folder is missing or damaged.
    """
    prior = settings.view_prior
    if isinstance(prior, str):
        return load_view_prior(prior, settings.precision, device, settings.shares_priors)
    if not isinstance(prior, ViewPrior):
        raise ViewDistillError(
            f"model.guidance.view_prior: {type(prior).__name__} is not a view-conditioned prior; give it "
            "the methods of viewdistill.guidance.ViewPrior"
        )
    prior.freeze()
    prior = prior.to(device)
    suit_to_device(prior, device)
    return prior


def place(settings: GuidanceSettings, priors: list[LatentDiffusionPrior], device: torch.device) -> None:
    """Compile UNets and offload networks, depending on the settings."""
    if settings.compile is not None:
        for prior in priors:
            compile_network(prior.unet, settings.compile)
    if settings.offload:
        take_turns([network for prior in priors for network in prior.large_networks()], device)
