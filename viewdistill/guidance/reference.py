"""Reference-view score distillation: hold the input view to the input image by comparing scores, not pixels.

With ẑ the latents of the render from the input camera and z* those of the input image, the same t and the same ε,

    g_ref = w(t) (ε_S(ẑ_t; ∅) − ε_S(z*_t; ∅)).

This is a delta denoising score (Hertz et al. 2023) with empty texts. It is exactly zero when the render equals the
input. A pixel loss is satisfied by thin view-dependent floaters, and by blur at a slightly wrong pose or scale; the
score difference compares structure at every noise level and forgives misalignment below a pixel.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.guidance.gradient import ScoreGradient, Weighting, weight


@dataclass(frozen=True)
class ReferencePair:
    """ẑ_t and z*_t: renders from the input camera and the input image, at the same t and with the same noise."""

    noisy: Float[Tensor, "twice c h w"]
    """ẑ_t of every render, then z*_t for every render."""
    timesteps: Int[Tensor, " batch"]
    """t."""
    schedule: NoiseSchedule
    """Noise levels."""

    @classmethod
    def of(
        cls,
        latents: Float[Tensor, "batch c h w"],
        reference_latents: Float[Tensor, "references c h w"],
        timesteps: Int[Tensor, " batch"],
        noise: Float[Tensor, "batch c h w"],
        schedule: NoiseSchedule,
    ) -> "ReferencePair":
        """Noise both; the arguments are those of `reference_score_gradient`."""
        both = torch.cat([latents, reference_latents.expand(len(latents), -1, -1, -1)])
        return cls(schedule.add_noise(both, noise.repeat(2, 1, 1, 1), timesteps.repeat(2)), timesteps, schedule)

    @torch.no_grad()
    def predict(self, text_prior: TextConditionedPrior) -> Float[Tensor, "twice c h w"]:
        """ε_S(∅) of `noisy`, in one evaluation."""
        return text_prior.predict_noise(self.noisy, self.timesteps.repeat(2), text_prior.encode_text([""]))

    def gradient(self, predictions: Float[Tensor, "twice c h w"], weighting: Weighting = "sds") -> ScoreGradient:
        """g_ref from ε_S(∅) of `noisy`."""
        rendered, reference = predictions.chunk(2)
        return ScoreGradient.of(weight(self.schedule, self.timesteps, weighting) * (rendered - reference))


@torch.no_grad()
def reference_score_gradient(
    text_prior: TextConditionedPrior,
    latents: Float[Tensor, "batch c h w"],
    reference_latents: Float[Tensor, "references c h w"],
    timesteps: Int[Tensor, " batch"],
    noise: Float[Tensor, "batch c h w"],
    weighting: Weighting = "sds",
) -> ScoreGradient:
    """g_ref, in one evaluation of the UNet; use with `score_loss`.

    Where novel views are scored by the same prior, `ScoreDistillation.predict` takes the pair into its evaluation.

    The official code encodes the input image again, with fresh posterior noise, at every step. Encode it once with
    `TextConditionedPrior.encode_image_moments`, and take the mode of both it and the render, or the same draw for both:
    otherwise g_ref is not zero at the solution.

    Args:
        text_prior: Predicts ε_S for the empty text.
        latents: ẑ, scaled latents of renders from the input camera.
        reference_latents: z*, scaled latents of the input image; one for all, or one per render.
        timesteps: t.
        noise: ε, shared by both.
        weighting: w(t).
    """
    pair = ReferencePair.of(latents, reference_latents, timesteps, noise, text_prior.schedule)
    return pair.gradient(pair.predict(text_prior), weighting)
