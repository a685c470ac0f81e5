"""Gradient of score distillation, and a loss with that gradient."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from viewdistill.diffusion.schedule import NoiseSchedule

Weighting = Literal["sds", "uniform", "fantasia3d"]
"""w(t): 1 − ᾱ_t (DreamFusion), 1 (Magic3D), √ᾱ_t (1 − ᾱ_t) (Fantasia3D)."""


TOLERATED_SHARE = 0.01
"""Tolerated share of non-finite entries in a gradient: half precision occasionally overflows at a few pixels."""


def weight(
    schedule: NoiseSchedule, timesteps: Int[Tensor, " batch"], weighting: Weighting
) -> Float[Tensor, "batch 1 1 1"]:
    """Return w(t), shaped to multiply latents."""
    alpha_bar = schedule.alpha_bar(timesteps)
    match weighting:
        case "sds":
            return 1 - alpha_bar
        case "uniform":
            return torch.ones_like(alpha_bar)
        case "fantasia3d":
            return alpha_bar.sqrt() * (1 - alpha_bar)


@dataclass(frozen=True)
class ScoreGradient:
    """g, and its figures for the log."""

    g: Float[Tensor, "batch c h w"]
    """The gradient, with non-finite entries set to zero so that a single one does not end a run."""
    norm: Float[Tensor, ""]
    """Mean over the batch of ‖g‖."""
    nonfinite: Int[Tensor, ""]
    """Number of non-finite entries."""

    @classmethod
    def of(cls, g: Float[Tensor, "batch c h w"]) -> "ScoreGradient":
        """Split a gradient into its finite part and the count of the rest."""
        finite = g.isfinite()
        g = torch.where(finite, g, 0.0)
        return cls(g, g.flatten(1).norm(dim=1).mean(), (~finite).sum())

    @property
    def nonfinite_share(self) -> Float[Tensor, ""]:
        """Share of non-finite entries, in [0, 1]; above `TOLERATED_SHARE` a fit must stop."""
        return self.nonfinite / self.g.numel()


def score_loss(latents: Float[Tensor, "batch c h w"], g: Float[Tensor, "batch c h w"]) -> Float[Tensor, ""]:
    """Return L = ½ ‖z − sg(z − g)‖² / B, whose gradient with respect to z is g / B.

    Its value, ½ ‖g‖² / B, does not measure progress; only its gradient matters.

    Args:
        latents: z, the latents of renders, with gradient.
        g: From `ScoreGradient.of`; also fits images and their gradient.
    """
    target = (latents - g).detach()
    return 0.5 * F.mse_loss(latents, target, reduction="sum") / len(latents)


def gradient_cosine(a: Float[Tensor, "batch c h w"], b: Float[Tensor, "batch c h w"]) -> Float[Tensor, ""]:
    """Return the batch mean of the cosine between two gradients, for instance of `sds` and `usd` at the same z_t."""
    return F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1).mean()
