"""Queries of score distillation to the priors, and their predictions.

A `Branch` names a prediction, a `Query` one noising of latents with the requested branches, and `Predictions` the
answers. `viewdistill.guidance.predictors.Predictors` turns queries into predictions.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError

Source = Literal["view", "text"]
"""Prior of a prediction: the view-conditioned or the text-conditioned one."""


@dataclass(frozen=True)
class Branch:
    """One kind of prediction."""

    source: Source
    """The prior."""
    condition: Literal["input", "text", "negative", "empty"]
    """Its condition: the input image and pose, the text, the negative text, or none."""
    from_timestep: int = 0
    """Smallest t of the prediction, which is 0 below."""


VIEW = Branch("view", "input")
"""ε_Z(z_t; y, T)."""
VIEW_EMPTY = Branch("view", "empty")
"""ε_Z(z_t; ∅)."""
TEXT = Branch("text", "text")
"""ε_S(z_t; c)."""
TEXT_EMPTY = Branch("text", "empty")
"""ε_S(z_t; ∅)."""
TEXT_NEGATIVE = Branch("text", "negative", from_timestep=200)
"""ε_S(z_t; c⁻), which NFSD subtracts from t = 200 on."""


@dataclass(frozen=True)
class Query:
    """One noising of a batch of latents, and the requested predictions."""

    latents: Float[Tensor, "batch c h w"]
    """z, without gradient."""
    timesteps: Int[Tensor, " batch"]
    """t."""
    noise: Float[Tensor, "batch c h w"]
    """ε."""
    schedule: NoiseSchedule
    """Noise levels."""
    branches: tuple[Branch, ...]
    """Requested predictions."""
    relative_pose: Float[Tensor, "batch 4"] | None = None
    """T of each render's camera, for `VIEW`."""

    @functools.cached_property
    def noisy(self) -> Float[Tensor, "batch c h w"]:
        """z_t."""
        return self.schedule.add_noise(self.latents, self.noise, self.timesteps)


@dataclass(frozen=True)
class Predictions:
    """The answers to a query.

    ``predictions[VIEW]`` is ε_Z(z_t; y, T), of shape [batch, c, h, w].
    """

    query: Query
    """The query."""
    epsilon: Mapping[Branch, Tensor]
    """The predicted noise of each branch, [batch, c, h, w]."""

    def __getitem__(self, branch: Branch) -> Float[Tensor, "batch c h w"]:
        """Return the predicted noise of one branch.

        Raises:
            ValueError: The query did not request it.
        """
        if branch not in self.epsilon:
            raise ValueError(f"{branch} was not predicted; add it to the branches of the query")
        return self.epsilon[branch]

    def nonfinite_sources(self) -> list[Source]:
        """Return the priors with a non-finite prediction; synchronises the device."""
        return list(dict.fromkeys(b.source for b, eps in self.epsilon.items() if not bool(eps.isfinite().all())))


@runtime_checkable
class HasSchedule(Protocol):
    """A prior with noise levels."""

    schedule: NoiseSchedule


def shared_schedule(view_prior: HasSchedule | None, text_prior: HasSchedule | None) -> NoiseSchedule:
    """Return the common noise levels of the given priors.

    Raises:
        ViewDistillError: Their noise levels differ, or neither is given.
    """
    schedules = [prior.schedule for prior in (view_prior, text_prior) if prior is not None]
    if not schedules:
        raise ViewDistillError("this guidance compares no predictions: λ and s are both 0; give one of them a value")
    require_same_levels(schedules[0], schedules[-1])
    return schedules[0]


def require_same_levels(first: NoiseSchedule, second: NoiseSchedule) -> None:
    """Reject priors whose predictions cannot be compared at the same z_t.

    Raises:
        ViewDistillError: The two schedules differ.
    """
    if not first.has_noise_levels_of(second):
        raise ViewDistillError(
            f"the two priors have different noise levels ({first} and {second}), so their predictions "
            "cannot be compared; choose priors trained with the same betas"
        )
