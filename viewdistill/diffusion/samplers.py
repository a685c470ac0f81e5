"""Sampling with any deterministic solver of diffusers, and noise predictors with ordinary classifier-free guidance."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewCondition, ViewConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError

NoisePredictor = Callable[[Tensor, Tensor], Tensor]
"""Noisy latents [B, c, h, w] and timesteps [B] to ε [B, c, h, w]."""

Scheduler = Literal[
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
]
"""Solvers, by their class names in diffusers. Deterministic ones only: a stochastic solver draws its noise for a whole
batch, so that an image would depend on its neighbours."""

Spacing = Literal["leading", "trailing"]
"""Timesteps of a run of S steps: ``leading`` takes 0, N//S, 2 (N//S) … plus the schedule's offset (Zero-1-to-3's rule),
``trailing`` takes N, N − N/S … minus 1 and so begins at the highest noise level (Lin et al. 2024)."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A solver and its steps."""

    scheduler: Scheduler = "DDIMScheduler"
    """Solver, by its class name in diffusers."""
    steps: int = 50
    """Steps from pure noise, 1 to 1,000; a run from an intermediate noise level takes those below it."""
    spacing: Spacing = "leading"
    """Placement of the timesteps; with 20 steps or fewer, ``trailing`` is the better one."""

    def __post_init__(self) -> None:
        """Check the number of steps.

        Raises:
            ViewDistillError: The number is out of range.
        """
        if not 1 <= self.steps <= 1000:
            raise ViewDistillError(f"sampling: steps is {self.steps}; give 1 to 1000")


@dataclass(frozen=True, kw_only=True)
class TextSampling(Sampling):
    """Sampling of a text-conditioned prior."""

    guidance_scale: float
    """s of classifier-free guidance against the empty text."""


def sampling_timesteps(schedule: NoiseSchedule, sampling: Sampling, start: int | None = None) -> list[int]:
    """Return the timesteps of a run, from noisy to clean.

    Leading spacing gives more than ``sampling.steps`` of them where that number does not divide N.

    Args:
        schedule: Gives N and the offset.
        sampling: Number of steps from pure noise, and their spacing.
        start: First timestep, on or off the spacing.

    Raises:
        ValueError: The steps or ``start`` are out of range.
    """
    total, steps = schedule.num_train_timesteps, sampling.steps
    if steps > total:
        raise ValueError(f"steps is {steps}, expected 1 to {total}")
    if sampling.spacing == "leading":
        timesteps = [t + schedule.steps_offset for t in range(0, total, total // steps)]
    else:
        timesteps = [round(total * (step + 1) / steps) - 1 for step in range(steps)]
    timesteps = [t for t in reversed(timesteps) if t < total]
    if start is None:
        return timesteps
    if not 0 <= start < total:
        raise ValueError(f"start is timestep {start}, expected 0 to {total - 1}")
    return [start, *(t for t in timesteps if t < start)]


def sample(
    predict_noise: NoisePredictor,
    schedule: NoiseSchedule,
    noise: Float[Tensor, "batch c h w"],
    sampling: Sampling,
) -> Float[Tensor, "batch c h w"]:
    """Sample clean latents from pure noise.

    Args:
        predict_noise: ε for noisy latents and timesteps.
        schedule: Noise levels of the predictor.
        noise: Standard normal; the only source of randomness.
        sampling: Solver and steps.

    Returns:
        Scaled latents.
    """
    return _run(predict_noise, schedule, noise, sampling_timesteps(schedule, sampling), sampling.scheduler)


def denoise(
    predict_noise: NoisePredictor,
    schedule: NoiseSchedule,
    noisy: Float[Tensor, "batch c h w"],
    timestep: int,
    sampling: Sampling,
) -> Float[Tensor, "batch c h w"]:
    """Sample clean latents from latents at an intermediate noise level.

    Args:
        predict_noise: ε for noisy latents and timesteps.
        schedule: Noise levels of the predictor.
        noisy: z_t.
        timestep: t.
        sampling: Solver, and the number of steps that a run from pure noise would have.

    Returns:
        Scaled latents.
    """
    return _run(predict_noise, schedule, noisy, sampling_timesteps(schedule, sampling, timestep), sampling.scheduler)


@torch.no_grad()
def _run(
    predict_noise: NoisePredictor, schedule: NoiseSchedule, noisy: Tensor, timesteps: list[int], scheduler: Scheduler
) -> Tensor:
    visited = timesteps[::-1]
    solver = _solver(scheduler, schedule, visited)
    # 1, or √ᾱ_t for the solvers (Euler, Heun) that carry z_t / √ᾱ_t.
    scale = solver.scale_model_input(torch.ones(()), solver.timesteps[0]).to(noisy)
    latents = noisy / scale
    for level in solver.timesteps:
        batch_t = torch.full((len(latents),), visited[int(level)], device=latents.device)
        epsilon = predict_noise(solver.scale_model_input(latents, level), batch_t)
        latents = solver.step(epsilon, level, latents, return_dict=False)[0]
    return latents


def _solver(scheduler: Scheduler, schedule: NoiseSchedule, visited: list[int]) -> Any:
    """Return a solver for a schedule of the visited noise levels alone (respacing, Nichol and Dhariwal 2021).

    The solvers of diffusers place their timesteps by rules of their own, and DDIM finds the next one by arithmetic.
    With nothing but the wanted levels, numbered 0 to n − 1, each visits all of them and can begin anywhere.
    """
    alphas_cumprod = schedule.alphas_cumprod[visited]
    alphas = alphas_cumprod.double()
    betas = 1 - alphas / torch.cat([torch.ones(1), alphas[:-1]])
    options: dict[str, Any] = {"clip_sample": False} if scheduler == "DDIMScheduler" else {}
    solver = getattr(importlib.import_module("diffusers"), scheduler)(
        num_train_timesteps=len(visited),
        trained_betas=betas.tolist(),
        prediction_type="epsilon",
        timestep_spacing="trailing",
        **options,
    )
    solver.alphas_cumprod = alphas_cumprod  # the prior's own, where diffusers multiplies up betas in fp32
    if scheduler == "DDIMScheduler":
        solver.final_alpha_cumprod = torch.tensor(schedule.final_alpha_cumprod)
    solver.set_timesteps(len(visited))
    return solver


def view_noise_predictor(
    prior: ViewConditionedPrior,
    condition: ViewCondition,
    relative_pose: Float[Tensor, "batch 4"],
    guidance_scale: float,
) -> NoisePredictor:
    """Return classifier-free guidance of a view-conditioned prior, ε_Z(∅) + s (ε_Z(y, T) − ε_Z(∅)), for a sampler."""

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
    """Return classifier-free guidance of a text-conditioned prior, ε_S(c⁻) + s (ε_S(c) − ε_S(c⁻)), for a sampler.

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
    prior: TextConditionedPrior, text: str, noise: Float[Tensor, "batch c h w"], sampling: TextSampling
) -> Float[Tensor, "batch 3 height width"]:
    """Sample images in [0, 1] of one text, by classifier-free guidance against the empty one."""
    texts = prior.encode_text([text]), prior.encode_text([""])
    predict = text_noise_predictor(prior, *texts, sampling.guidance_scale)
    return prior.decode_samples(sample(predict, prior.schedule, noise, sampling))
