"""The noise predictions that score distillation compares: exactly those asked for, in as few calls as can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewCondition, ViewConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.reference import ReferencePair

NFSD_NEGATIVE_FROM = 200
"""Timestep from which NFSD takes the prediction for the negative text away."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class GuidanceTerms:
    """What the networks said about one noising of a batch; a prediction that was not asked for is absent."""

    noisy: Float[Tensor, "batch c h w"]
    """z_t."""
    noise: Float[Tensor, "batch c h w"]
    """ε."""
    timesteps: Int[Tensor, " batch"]
    """t."""
    schedule: NoiseSchedule
    """Noise levels of z_t."""
    conditional: Float[Tensor, "batch c h w"] | None
    """ε_c."""
    unconditional: Float[Tensor, "batch c h w"] | None
    """ε_u."""
    negative: Float[Tensor, "batch c h w"] | None
    """NFSD's ε_S(c⁻) where t ≥ 200, and 0 elsewhere."""
    reference: Float[Tensor, "twice c height width"] | None = None
    """ε_S(∅) of a `ReferencePair`."""


@dataclass(frozen=True)
class Wanted:
    """Which predictions of one prior have a coefficient other than zero."""

    conditional: bool
    """ε_c."""
    unconditional: bool
    """ε_u."""
    negative: bool = False
    """ε_S(c⁻) at t ≥ 200."""

    def __bool__(self) -> bool:
        """Whether the prior is needed at all."""
        return self.conditional or self.unconditional or self.negative


@dataclass(frozen=True)
class Branch:
    """Noisy latents that the text-conditioned prior is asked about."""

    noisy: Float[Tensor, "rows c h w"]
    """z_t."""
    timesteps: Int[Tensor, " rows"]
    """t."""
    embeddings: Float[Tensor, "texts length dim"]
    """Of the text; one per row, or one for all."""


def shared_schedule(view_prior: ViewConditionedPrior | None, text_prior: TextConditionedPrior | None) -> NoiseSchedule:
    """The noise levels of the priors that are given; z_t must mean the same to both.

    Raises:
        ViewDistillError: Their noise levels differ, or neither is given.
    """
    schedules = [prior.schedule for prior in (view_prior, text_prior) if prior is not None]
    if not schedules:
        raise ViewDistillError("this guidance compares no predictions: λ and s are both 0; give one of them a value")
    if not schedules[0].has_noise_levels_of(schedules[-1]):
        raise ViewDistillError(
            f"the two priors have different noise levels ({schedules[0]} and {schedules[-1]}), so their predictions "
            "cannot be compared; choose priors that were trained with the same betas"
        )
    return schedules[0]


def predict_view(
    wanted: Wanted,
    noisy: Float[Tensor, "batch c h w"],
    timesteps: Int[Tensor, " batch"],
    prior: ViewConditionedPrior,
    condition: ViewCondition | None,
    relative_pose: Float[Tensor, "batch 4"] | None,
) -> tuple[Float[Tensor, "batch c h w"] | None, Float[Tensor, "batch c h w"] | None]:
    """ε_Z(y, T) and ε_Z(∅), as far as they are wanted, in one evaluation."""
    if not wanted.conditional:
        return None, prior.predict_noise_unconditional(noisy, timesteps)
    condition = needed(condition, "the condition of an input image")
    relative_pose = needed(relative_pose, "relative poses")
    if not wanted.unconditional:
        return prior.predict_noise(noisy, timesteps, condition, relative_pose), None
    return prior.predict_noise_pair(noisy, timesteps, condition, relative_pose)


def predict_text(
    wanted: Wanted,
    noisy: Float[Tensor, "batch c h w"],
    timesteps: Int[Tensor, " batch"],
    prior: TextConditionedPrior,
    text_embeddings: Float[Tensor, "texts length dim"] | None,
    negative_embeddings: Float[Tensor, "negatives length dim"] | None,
    reference: ReferencePair | None = None,
) -> dict[str, Tensor]:
    """ε_S(c), ε_S(∅), NFSD's negative and those of a reference pair, as far as they are wanted.

    Latents of one size are evaluated together.

    Returns:
        Predictions, under the names of `GuidanceTerms`.
    """
    branches: dict[str, Branch] = {}
    if wanted.conditional:
        branches["conditional"] = Branch(noisy, timesteps, needed(text_embeddings, "text embeddings"))
    if wanted.unconditional:
        branches["unconditional"] = Branch(noisy, timesteps, prior.encode_text([""]))
    late_rows = (timesteps >= NFSD_NEGATIVE_FROM).nonzero()[:, 0]
    if wanted.negative:
        embeddings = needed(negative_embeddings, "embeddings of a negative text").expand(len(noisy), -1, -1)
        branches["negative"] = Branch(noisy[late_rows], timesteps[late_rows], embeddings[late_rows])
    if reference is not None:
        branches["reference"] = Branch(reference.noisy, reference.timesteps.repeat(2), prior.encode_text([""]))
    predictions: dict[str, Tensor] = {}
    for size in dict.fromkeys(branch.noisy.shape[1:] for branch in branches.values()):
        predictions |= _evaluate(prior, {name: b for name, b in branches.items() if b.noisy.shape[1:] == size})
    if wanted.negative:
        predictions["negative"] = torch.zeros_like(noisy).index_copy(0, late_rows, predictions["negative"])
    return predictions


def needed(value: Value | None, what: str) -> Value:
    """The value, or one clear line about its absence."""
    if value is None:
        raise ViewDistillError(f"this guidance needs {what}, and none was given; give it, or choose another method")
    return value


def _evaluate(prior: TextConditionedPrior, branches: Mapping[str, Branch]) -> dict[str, Tensor]:
    """One evaluation of the network for branches whose latents have one size."""
    noisy, timesteps = (torch.cat([getattr(b, name) for b in branches.values()]) for name in ("noisy", "timesteps"))
    embeddings = torch.cat([b.embeddings.expand(len(b.noisy), -1, -1) for b in branches.values()])
    predictions = prior.predict_noise(noisy, timesteps, embeddings)
    return dict(zip(branches, predictions.split([len(b.noisy) for b in branches.values()]), strict=True))
