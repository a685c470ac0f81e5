"""Score distillation: one family of gradients, of which every named method is a setting.

    g = w(t) · [ λ (ε_u − ε) + s (ε_c − ε_u) ]                                                          (1)

z are the latents of a render, ε ~ N(0, I), z_t = √ᾱ_t z + √(1−ᾱ_t) ε. ε_c and ε_u are a conditional and an
unconditional noise prediction for z_t. Each comes from one of two priors: ε_Z(y, T) and ε_Z(∅) from the
view-conditioned one (Zero-1-to-3, for input image y and relative pose T), ε_S(c) and ε_S(∅) from the text-conditioned
one (Stable Diffusion).

SDS (DreamFusion) is λ = 1. Zero-1-to-3's own ε_Z(∅) is biased: training drops the image but never the pose, inference
drops both, and fine-tuning on renders forgets the broad 2D prior. Unbiased Score Distillation (Zhang et al., arXiv
2312.06198) therefore takes ε_u from Stable Diffusion and drops the λ term:

    g = w(t) · s (ε_Z(y, T) − ε_S(∅))                                                                   (2)

Network evaluations dominate the cost of a step. The coefficients in (1) are s of ε_c, λ − s of ε_u, and −λ of ε: a
prediction with a zero coefficient is not among a setting's `branches` and is not computed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.guidance.gradient import Weighting, weight
from viewdistill.guidance.method import GuidanceMethod
from viewdistill.guidance.predictions import (
    TEXT,
    TEXT_EMPTY,
    TEXT_NEGATIVE,
    VIEW,
    VIEW_EMPTY,
    Branch,
    Predictions,
    Source,
)
from viewdistill.guidance.timesteps import UNIFORM, SquareRootTimesteps, Timesteps


@dataclass(frozen=True)
class ScoreDistillation(GuidanceMethod):
    """A setting of the family. `METHODS` holds the named ones; change a field with `dataclasses.replace`."""

    conditional: Source
    """Prior that predicts ε_c."""
    unconditional: Source
    """Prior that predicts ε_u."""
    noise_weight: float
    """λ, the weight of (ε_u − ε)."""
    guidance_scale: float
    """s, the weight of (ε_c − ε_u)."""
    weighting: Weighting = "sds"
    """w(t)."""
    subtracted: Literal["noise", "negative-text"] = "noise"
    """Subtrahend of the λ term: ε, or NFSD's prediction for a negative text."""
    image_weight: float = 0.0
    """Weight of HiFA's gradient on decoded images, see `image_gradient`."""
    timesteps: Timesteps = UNIFORM
    """Noise levels."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The predictions with non-zero coefficients: of ε_c, ε_u and NFSD's ε_S(c⁻)."""
        coefficients = (
            (self.conditional_branch, self.guidance_scale),
            (self.unconditional_branch, self.noise_weight - self.guidance_scale),
            (TEXT_NEGATIVE, self.noise_weight if self.subtracted == "negative-text" else 0.0),
        )
        return tuple(branch for branch, coefficient in coefficients if coefficient != 0)

    @property
    def conditional_branch(self) -> Branch:
        """ε_c."""
        return VIEW if self.conditional == "view" else TEXT

    @property
    def unconditional_branch(self) -> Branch:
        """ε_u."""
        return VIEW_EMPTY if self.unconditional == "view" else TEXT_EMPTY

    def combine(self, predictions: Predictions) -> Float[Tensor, "batch c h w"]:
        """Evaluate equation (1) from the predictions of this setting or a superset of them.

        Raises:
            ValueError: A prediction that this setting needs is absent.
        """
        query, scale, noise_weight = predictions.query, self.guidance_scale, self.noise_weight
        g = torch.zeros_like(query.noise)
        if noise_weight != 0:
            g = g - noise_weight * (query.noise if self.subtracted == "noise" else predictions[TEXT_NEGATIVE])
        if scale != 0:
            g = g + scale * predictions[self.conditional_branch]
        if noise_weight != scale:
            g = g + (noise_weight - scale) * predictions[self.unconditional_branch]
        return weight(query.schedule, query.timesteps, self.weighting) * g

    @torch.no_grad()
    def image_gradient(
        self,
        predictions: Predictions,
        images: Float[Tensor, "batch 3 height width"],
        decode: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "batch 3 height width"] | None:
        """Return HiFA's gradient on images, ``image_weight`` · w(t) √ᾱ_t / √(1−ᾱ_t) · (x − D(ẑ)).

        ẑ is the one-step estimate of the clean latents under the guided prediction ε_u + s (ε_c − ε_u), and D the
        decoder (Zhu et al. 2023). Use it with `score_loss` on the renders.

        Args:
            predictions: As for `combine`.
            images: x, the renders in [0, 1], at the prior's image size.
            decode: D.

        Raises:
            ValueError: A prediction is absent.
        """
        if self.image_weight == 0:
            return None
        query = predictions.query
        unconditional = predictions[self.unconditional_branch]
        guided = unconditional + self.guidance_scale * (predictions[self.conditional_branch] - unconditional)
        clean = query.schedule.clean_from_epsilon(guided, query.noisy, query.timesteps)
        alpha_bar = query.schedule.alpha_bar(query.timesteps)
        scale = weight(query.schedule, query.timesteps, self.weighting) * (alpha_bar / (1 - alpha_bar)).sqrt()
        return self.image_weight * scale * (images - decode(clean))


METHODS: Mapping[str, ScoreDistillation] = {
    # The paper's core ablation: {λ = 1, 0} × {own ∅, Stable Diffusion's ∅}.
    "sds": ScoreDistillation("view", "view", noise_weight=1.0, guidance_scale=3.0),
    "usd": ScoreDistillation("view", "text", noise_weight=0.0, guidance_scale=7.5),
    "sds-rectified": ScoreDistillation("view", "text", noise_weight=1.0, guidance_scale=3.0),
    "csd": ScoreDistillation("view", "view", noise_weight=0.0, guidance_scale=7.5),
    # Text to 3D, with the 2D prior alone.
    "text-sds": ScoreDistillation("text", "text", noise_weight=1.0, guidance_scale=100.0),
    "text-csd": ScoreDistillation("text", "text", noise_weight=0.0, guidance_scale=7.5),
    # Katzir et al. 2023: the λ term becomes ε_u for t < 200, and ε_u − ε_S(c⁻) above.
    "nfsd": ScoreDistillation("text", "text", noise_weight=1.0, guidance_scale=7.5, subtracted="negative-text"),
    # Zhu et al. 2023: SDS plus a gradient on decoded images, at one t that decreases with the square root of progress.
    "hifa": ScoreDistillation(
        "text", "text", noise_weight=1.0, guidance_scale=100.0, image_weight=0.01, timesteps=SquareRootTimesteps()
    ),
}
"""Named methods, with their default scales and noise levels."""
