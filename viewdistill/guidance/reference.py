"""Reference-view score distillation: hold the input view to the input image by comparing scores, not pixels.

With ẑ the latents of the render from the input camera and z* those of the input image, the same t and the same ε,

    g_ref = w(t) (ε_S(ẑ_t; ∅) − ε_S(z*_t; ∅)).

This is a delta denoising score (Hertz et al. 2023) with empty texts. It is exactly zero when the render equals the
input. A pixel loss is satisfied by thin view-dependent floaters, and by blur at a slightly wrong pose or scale; the
score difference compares structure at every noise level and forgives misalignment below a pixel.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.guidance.gradient import ScoreGradient, Weighting, score_loss, weight
from viewdistill.guidance.predictions import TEXT_EMPTY, Predictions, Query
from viewdistill.guidance.predictors import Predictors

PAPER_LATENT = 4 * 64 * 64
"""Size of Stable Diffusion's latents at 512 pixels; the paper's weights refer to it."""


def reference_query(
    latents: Float[Tensor, "batch c h w"],
    reference_latents: Float[Tensor, "references c h w"],
    timesteps: Int[Tensor, " batch"],
    noise: Float[Tensor, "batch c h w"],
    schedule: NoiseSchedule,
) -> Query:
    """Request ε_S(∅) of renders from the input camera and of the input image, at the same t and with the same ε.

    Args:
        latents: ẑ, scaled latents of renders from the input camera, without gradient.
        reference_latents: z*, scaled latents of the input image; one for all, or one per render.
        timesteps: t.
        noise: ε, shared by both.
        schedule: Noise levels.

    Returns:
        A query with twice the batch: ẑ of every render, then z* for every render.
    """
    both = torch.cat([latents, reference_latents.expand(len(latents), -1, -1, -1)])
    return Query(both, timesteps.repeat(2), noise.repeat(2, 1, 1, 1), schedule, (TEXT_EMPTY,))


def reference_gradient(predictions: Predictions, weighting: Weighting = "sds") -> Float[Tensor, "batch c h w"]:
    """Return g_ref from the predictions for a `reference_query`."""
    rendered, reference = predictions[TEXT_EMPTY].chunk(2)
    query = predictions.query
    return weight(query.schedule, query.timesteps[: len(rendered)], weighting) * (rendered - reference)


def reference_loss(latents: Float[Tensor, "batch c h w"], g: Float[Tensor, "batch c h w"]) -> Float[Tensor, ""]:
    """Return `score_loss` as the mean over a latent's entries times `PAPER_LATENT`.

    A weight then means the same beside losses over pixels for any size of latents; for the paper's size this equals
    `score_loss`.

    Args:
        latents: ẑ, with gradient.
        g: g_ref.
    """
    return score_loss(latents, g) * (PAPER_LATENT / latents[0].numel())


@torch.no_grad()
def reference_score_gradient(
    text_prior: TextConditionedPrior,
    latents: Float[Tensor, "batch c h w"],
    reference_latents: Float[Tensor, "references c h w"],
    timesteps: Int[Tensor, " batch"],
    noise: Float[Tensor, "batch c h w"],
    weighting: Weighting = "sds",
) -> ScoreGradient:
    """Return g_ref, by one evaluation of the UNet; use with `score_loss`.

    To score novel views by the same prior, give `Predictors.predict` both queries, which it batches.

    The official code encodes the input image again, with fresh posterior noise, at every step. Encode it once with
    `TextConditionedPrior.encode_image_moments`, and take the mode of both image and render, or the same draw for both:
    otherwise g_ref is not zero at the solution.

    Args:
        text_prior: Predicts ε_S for the empty text.
        latents: ẑ, as in `reference_query`.
        reference_latents: z*, likewise.
        timesteps: t.
        noise: ε, shared by both.
        weighting: w(t).
    """
    query = reference_query(latents.detach(), reference_latents, timesteps, noise, text_prior.schedule)
    answers = Predictors(text_prior=text_prior).predict({"reference": query})
    return ScoreGradient.of(reference_gradient(answers["reference"], weighting))
