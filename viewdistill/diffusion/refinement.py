"""Renders as a text-conditioned prior would rather have them: noise is added to them and taken away again."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import NoisyStart, sample_ddim, text_noise_predictor


@dataclass(frozen=True)
class RefinementSettings:
    """How much noise, and how it is taken away; the defaults are the paper's."""

    timestep: int = 200
    """t of the noise that is added; 0 leaves hardly anything to change."""
    steps: int = 50
    """DDIM steps from pure noise, of which those below ``timestep`` are taken."""
    guidance_scale: float = 6.5
    """s of classifier-free guidance against the empty text."""


@torch.no_grad()
def refine(
    prior: TextConditionedPrior,
    images: Float[Tensor, "batch 3 height width"],
    text_embeddings: Float[Tensor, "texts length dim"],
    noise: Float[Tensor, "batch c h w"],
    settings: RefinementSettings,
) -> Float[Tensor, "batch 3 height width"]:
    """Adds noise to the latents of images and denoises them by DDIM with η = 0 (the paper's view refinement).

    Args:
        prior: Denoises; with the LoRA of an object, towards that object.
        images: In [0, 1], of a size that `prior.latent_shape_of` knows.
        text_embeddings: Of the prompt; one per image, or one for all.
        noise: ε.
        settings: Noise level, steps, guidance.
    """
    timesteps = torch.full((len(images),), settings.timestep, device=images.device)
    noisy = prior.schedule.add_noise(prior.encode_images(images), noise, timesteps)
    predict = text_noise_predictor(prior, text_embeddings, prior.encode_text([""]), settings.guidance_scale)
    latents = sample_ddim(
        predict,
        prior.schedule,
        tuple(noisy.shape),
        settings.steps,
        start=NoisyStart(noisy, settings.timestep),
    )
    return prior.decode_latents(latents)
