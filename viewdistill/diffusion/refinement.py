"""Refinement of renders by a text-conditioned prior: noise is added and removed again."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import Sampling, denoise, text_noise_predictor
from viewdistill.errors import ViewDistillError


@dataclass(frozen=True, kw_only=True)
class RefinementSettings(Sampling):
    """Noise level, guidance and solver; the defaults are the paper's."""

    timestep: int = 200
    """t of the added noise, 0 to 999; 0 changes hardly anything."""
    guidance_scale: float = 6.5
    """s of classifier-free guidance against the empty text."""

    def __post_init__(self) -> None:
        """Check the noise level and the number of steps.

        Raises:
            ViewDistillError: A value is out of range.
        """
        super().__post_init__()
        if not 0 <= self.timestep < 1000:
            raise ViewDistillError(f"refinement: timestep is {self.timestep}; give 0 to 999")


@torch.no_grad()
def refine(
    prior: TextConditionedPrior,
    images: Float[Tensor, "batch 3 height width"],
    text_embeddings: Float[Tensor, "texts length dim"],
    noise: Float[Tensor, "batch c h w"],
    settings: RefinementSettings,
) -> Float[Tensor, "batch 3 height width"]:
    """Add noise to the latents of images and denoise them (the paper's view refinement).

    Args:
        prior: Denoises; with the LoRA of an object, towards that object.
        images: In [0, 1], of a size that `prior.latent_shape_of` knows.
        text_embeddings: Of the prompt; one per image, or one for all.
        noise: ε.
        settings: Noise level, guidance, solver and steps; of the steps, those below the noise level are taken.
    """
    timesteps = torch.full((len(images),), settings.timestep, device=images.device)
    noisy = prior.schedule.add_noise(prior.encode_images(images), noise, timesteps)
    predict = text_noise_predictor(prior, text_embeddings, prior.encode_text([""]), settings.guidance_scale)
    return prior.decode_samples(denoise(predict, prior.schedule, noisy, settings.timestep, settings))
