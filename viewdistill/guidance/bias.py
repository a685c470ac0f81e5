"""Bias of an unconditional branch, measured on clean images and shown by denoising them with it.

A denoiser that knows the images' distribution predicts the added noise, up to the information lost in z_t. Its error
averages to zero over images and noise draws; for one image a pull towards the distribution's mean remains, small at
small t. A branch with E[ε_u(z_t) − ε] away from zero pulls a clean image off itself, and score
distillation with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import NoisePredictor, Sampling, denoise
from viewdistill.diffusion.schedule import NoiseSchedule

BIAS_TIMESTEPS = (50, 100, 200, 300, 500, 700)


@dataclass(frozen=True)
class NoiseBias:
    """E[ε_u(z_t) − ε] at one t, estimated from noise draws."""

    timestep: int
    """t."""
    map: Float[Tensor, "batch c h w"]
    """Mean of ε_u − ε over the draws, for each image and pixel."""
    norm: float
    """Root mean square of the map. An unbiased branch has about ``noise_floor``, not zero."""
    noise_floor: float
    """Root mean square of the map expected from the finite number of draws alone."""
    mean_norm: float
    """Root mean square of the map's mean over the images: the common part."""


@torch.no_grad()
def noise_bias(
    predict_noise: NoisePredictor,
    schedule: NoiseSchedule,
    latents: Float[Tensor, "batch c h w"],
    timesteps: Iterable[int] = BIAS_TIMESTEPS,
    draws: int = 16,
    generator: torch.Generator | None = None,
) -> list[NoiseBias]:
    """Estimate the bias of an unconditional noise predictor on clean images.

    Args:
        predict_noise: ε_u, for example `ViewConditionedPrior.predict_noise_unconditional` or `empty_text_predictor`.
        schedule: Its noise levels.
        latents: Scaled latents of clean images.
        timesteps: Noise levels to evaluate.
        draws: Noise draws per image, at least 2.
        generator: Source of the noise; the same seed compares two branches on the same draws.

    Returns:
        One estimate for each timestep.

    Raises:
        ValueError: Fewer than 2 draws.
    """
    if draws < 2:
        raise ValueError(f"draws is {draws}, expected at least 2: the spread between draws gives the noise floor")
    return [_bias_at(predict_noise, schedule, latents, t, draws, generator) for t in timesteps]


def empty_text_predictor(prior: TextConditionedPrior) -> NoisePredictor:
    """Return ε_S(z_t; ∅), the unconditional branch of a text-conditioned prior, as a noise predictor."""
    empty_text = prior.encode_text([""])
    return lambda noisy, timesteps: prior.predict_noise(noisy, timesteps, empty_text)


@torch.no_grad()
def recover_one_step(
    predict_noise: NoisePredictor,
    schedule: NoiseSchedule,
    latents: Float[Tensor, "batch c h w"],
    timestep: int,
    noise: Float[Tensor, "batch c h w"],
) -> Float[Tensor, "batch c h w"]:
    """Noise clean latents to t and estimate them back in one step with ε_u alone."""
    timesteps = torch.full((len(latents),), timestep, device=latents.device)
    noisy = schedule.add_noise(latents, noise, timesteps)
    return schedule.clean_from_epsilon(predict_noise(noisy, timesteps), noisy, timesteps)


@torch.no_grad()
def recover_ddim(
    predict_noise: NoisePredictor,
    schedule: NoiseSchedule,
    latents: Float[Tensor, "batch c h w"],
    timestep: int,
    noise: Float[Tensor, "batch c h w"],
    steps: int = 50,
) -> Float[Tensor, "batch c h w"]:
    """Noise clean latents to t and denoise them by DDIM with ε_u alone: the paper's picture of the bias.

    Args:
        predict_noise: ε_u.
        schedule: Its noise levels.
        latents: Scaled latents of clean images.
        timestep: t.
        noise: ε.
        steps: DDIM steps of a run from pure noise; those below t are taken.
    """
    timesteps = torch.full((len(latents),), timestep, device=latents.device)
    noisy = schedule.add_noise(latents, noise, timesteps)
    return denoise(predict_noise, schedule, noisy, timestep, Sampling(steps=steps))


def _bias_at(
    predict_noise: NoisePredictor,
    schedule: NoiseSchedule,
    latents: Tensor,
    timestep: int,
    draws: int,
    generator: torch.Generator | None,
) -> NoiseBias:
    timesteps = torch.full((len(latents),), timestep, device=latents.device)
    source = generator.device if generator else latents.device
    total, total_squared = torch.zeros_like(latents), torch.zeros_like(latents)
    for _ in range(draws):
        noise = torch.randn(latents.shape, generator=generator, device=source).to(latents.device)
        error = predict_noise(schedule.add_noise(latents, noise, timesteps), timesteps) - noise
        total += error
        total_squared += error.square()
    mean = total / draws
    variance_of_mean = (total_squared / draws - mean.square()).clamp_min(0) / (draws - 1)
    return NoiseBias(
        timestep=timestep,
        map=mean,
        norm=_root_mean_square(mean),
        noise_floor=float(variance_of_mean.mean().sqrt()),
        mean_norm=_root_mean_square(mean.mean(0)),
    )


def _root_mean_square(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
