"""DDIM sampling (Song et al. 2021) from any noise predictor, and the ordinary classifier-free-guided predictors."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewCondition, ViewConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule

NoisePredictor = Callable[[Tensor, Tensor], Tensor]
"""Noisy latents [B, c, h, w] and timesteps [B] to ε [B, c, h, w]."""


@dataclass(frozen=True)
class NoisyStart:
    """Latents at an intermediate noise level, from which sampling sets out."""

    latents: Float[Tensor, "batch c h w"]
    """z_t."""
    timestep: int
    """t."""


def ddim_timesteps(schedule: NoiseSchedule, steps: int, start: int | None = None) -> list[int]:
    """Timesteps of a DDIM run, from noisy to clean.

    Zero-1-to-3's rule: 0, N//steps, 2 (N//steps) … below N, plus the schedule's offset. It gives more than ``steps`` of
    them where ``steps`` does not divide N.

    Args:
        schedule: Gives N and the offset.
        steps: Number of steps from pure noise.
        start: Begin at this timestep, whether the rule visits it or not.

    Raises:
        ValueError: ``steps`` or ``start`` is out of range.
    """
    total = schedule.num_train_timesteps
    if not 1 <= steps <= total:
        raise ValueError(f"steps is {steps}, expected 1 to {total}")
    timesteps = [t + schedule.steps_offset for t in range(0, total, total // steps)]
    timesteps = [t for t in reversed(timesteps) if t < total]
    if start is None:
        return timesteps
    if not 0 <= start < total:
        raise ValueError(f"start is timestep {start}, expected 0 to {total - 1}")
    return [start, *(t for t in timesteps if t < start)]


@torch.no_grad()
def sample_ddim(
    predict_noise: NoisePredictor,
    schedule: NoiseSchedule,
    shape: tuple[int, int, int, int],
    steps: int = 50,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    start: NoisyStart | None = None,
    clamp: float | None = None,
    device: torch.device | None = None,
) -> Float[Tensor, "batch c h w"]:
    """Clean latents by DDIM.

    Args:
        predict_noise: ε for noisy latents and timesteps.
        schedule: Noise levels of the predictor.
        shape: Batch, channels, height, width of the latents.
        steps: Steps from pure noise; a run with ``start`` takes those that remain.
        eta: 0 is deterministic, 1 has the noise of ancestral sampling (Zero-1-to-3's demo).
        generator: Source of all noise; one on the CPU gives the same noise whatever the device.
        start: Set out from these latents, in place of pure noise at the first timestep.
        clamp: Bound on the magnitude of each estimate of the clean latents; ``None`` leaves them alone.
        device: Where to sample; that of ``start`` or of ``generator`` if absent, otherwise the CPU.

    Returns:
        Scaled latents.
    """
    if device is None:
        sources = (start.latents if start else None, generator)
        device = next((source.device for source in sources if source is not None), torch.device("cpu"))
    latents = start.latents.to(device) if start else _noise(shape, generator, device)
    timesteps = ddim_timesteps(schedule, steps, start.timestep if start else None)
    alphas_cumprod = [*schedule.alphas_cumprod[timesteps].tolist(), schedule.final_alpha_cumprod]
    for t, (alpha_bar, alpha_bar_next) in zip(timesteps, itertools.pairwise(alphas_cumprod), strict=True):
        batch_t = torch.full((shape[0],), t, device=device)
        epsilon = predict_noise(latents, batch_t)
        clean = schedule.clean_from_epsilon(epsilon, latents, batch_t)
        if clamp is not None:
            clean = clean.clamp(-clamp, clamp)
        # Equation 16 of the DDIM paper.
        sigma = eta * ((1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)) ** 0.5
        latents = alpha_bar_next**0.5 * clean + max(1 - alpha_bar_next - sigma**2, 0.0) ** 0.5 * epsilon
        if sigma > 0:
            latents = latents + sigma * _noise(shape, generator, device)
    return latents


def sample_from_noise(
    predict_noise: NoisePredictor, schedule: NoiseSchedule, noise: Float[Tensor, "batch c h w"], steps: int
) -> Float[Tensor, "batch c h w"]:
    """Clean latents by DDIM with η = 0 from noise of the caller's, which then alone decides; see `sample_ddim`."""
    start = NoisyStart(noise, ddim_timesteps(schedule, steps)[0])
    batch, channels, height, width = noise.shape
    return sample_ddim(predict_noise, schedule, (batch, channels, height, width), steps, start=start)


def view_noise_predictor(
    prior: ViewConditionedPrior,
    condition: ViewCondition,
    relative_pose: Float[Tensor, "batch 4"],
    guidance_scale: float,
) -> NoisePredictor:
    """Ordinary classifier-free guidance of a view-conditioned prior, ε_Z(∅) + s (ε_Z(y, T) − ε_Z(∅)), for a sampler."""

    def predict(noisy: Float[Tensor, "batch c h w"], timesteps: Int[Tensor, " batch"]) -> Float[Tensor, "batch c h w"]:
        if guidance_scale == 1:  # the unconditional prediction cancels
            return prior.predict_noise(noisy, timesteps, condition, relative_pose)
        conditional, unconditional = prior.predict_noise_pair(noisy, timesteps, condition, relative_pose)
        return unconditional + guidance_scale * (conditional - unconditional)

    return predict


def text_noise_predictor(
    prior: TextConditionedPrior,
    text_embeddings: Float[Tensor, "texts length dim"],
    negative_embeddings: Float[Tensor, "negatives length dim"],
    guidance_scale: float,
) -> NoisePredictor:
    """Classifier-free guidance of a text-conditioned prior, ε_S(c⁻) + s (ε_S(c) − ε_S(c⁻)), for a sampler.

    The negative text c⁻ is the empty one in the ordinary case. Embeddings are one per sample, or one for all.
    """

    def predict(noisy: Float[Tensor, "batch c h w"], timesteps: Int[Tensor, " batch"]) -> Float[Tensor, "batch c h w"]:
        if guidance_scale == 1:
            return prior.predict_noise(noisy, timesteps, text_embeddings)
        texts = [embeddings.expand(len(noisy), -1, -1) for embeddings in (text_embeddings, negative_embeddings)]
        both = prior.predict_noise(noisy.repeat(2, 1, 1, 1), timesteps.repeat(2), torch.cat(texts))
        conditional, unconditional = both.chunk(2)
        return unconditional + guidance_scale * (conditional - unconditional)

    return predict


@torch.no_grad()
def sample_text(
    prior: TextConditionedPrior, text: str, noise: Float[Tensor, "batch c h w"], guidance_scale: float, steps: int
) -> Float[Tensor, "batch 3 height width"]:
    """Images in [0, 1] of one text, by classifier-free guidance against the empty one and DDIM with η = 0."""
    texts = prior.encode_text([text]), prior.encode_text([""])
    predict = text_noise_predictor(prior, *texts, guidance_scale)
    return prior.decode_latents(sample_from_noise(predict, prior.schedule, noise, steps))


def _noise(shape: tuple[int, int, int, int], generator: torch.Generator | None, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device if generator else device).to(device)
