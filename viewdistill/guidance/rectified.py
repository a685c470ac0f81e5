"""Unbiased sampling of novel views: classifier-free guidance whose unconditional branch is Stable Diffusion's.

The paper samples each view from noise of its own, so two views are two draws that agree only as far as the input image
determines them. Two settings lower that variance: a start from the mean view of the prior's lifting at a middle noise
level (as SDEdit, Meng et al. 2022), and noise that the views share in part (as PYoCo's frames, Ge et al. 2023).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewCondition, ViewConditionedPrior
from viewdistill.diffusion.samplers import NoisePredictor, Sampling, denoise, sample
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.predictions import shared_schedule

Start = Literal["noise", "lifted_mean"]
"""Start of sampling: ``noise`` is pure noise (the paper), ``lifted_mean`` the mean view of the lifting, noised to a
middle level."""


@dataclass(frozen=True, kw_only=True)
class NovelViewSampling(Sampling):
    """Rectified sampling of novel views."""

    guidance_scale: float
    """s of rectified guidance."""
    start: Start = "noise"
    """Start of sampling; ``lifted_mean`` needs a prior with a lifting."""
    start_timestep: int = 400
    """t of the noise on the mean view, 0 to 999; no effect on a start from pure noise."""
    shared_noise: float = 0.0
    """Share of the noise's variance that all views have in common, 0 to 1; 0 is the paper's."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ViewDistillError: A value is out of range.
        """
        super().__post_init__()
        if not 0 <= self.start_timestep < 1000:
            raise ViewDistillError(f"sampling: start_timestep is {self.start_timestep}; give 0 to 999")
        if not 0 <= self.shared_noise <= 1:
            raise ViewDistillError(f"sampling: shared_noise is {self.shared_noise:g}; give 0 to 1")


def rectified_noise_predictor(
    view_prior: ViewConditionedPrior,
    text_prior: TextConditionedPrior,
    condition: ViewCondition,
    relative_pose: Float[Tensor, "batch 4"],
    guidance_scale: float,
) -> NoisePredictor:
    """Return rectified guidance ε_S(∅) + s (ε_Z(y, T) − ε_S(∅)), for any sampler.

    Args:
        view_prior: Predicts ε_Z.
        text_prior: Predicts ε_S; its latents must mean the same as those of ``view_prior``.
        condition: Of the input image y.
        relative_pose: T of each target view.
        guidance_scale: s.

    Raises:
        ViewDistillError: The two priors were trained with different noise levels.
    """
    shared_schedule(view_prior, text_prior)  # z_t must mean the same to both
    empty_text = text_prior.encode_text([""])

    def predict(noisy: Float[Tensor, "batch c h w"], timesteps: Int[Tensor, " batch"]) -> Float[Tensor, "batch c h w"]:
        conditional = view_prior.predict_noise(noisy, timesteps, condition, relative_pose)
        if guidance_scale == 1:  # the unconditional prediction cancels
            return conditional
        unconditional = text_prior.predict_noise(noisy, timesteps, empty_text)
        return unconditional + guidance_scale * (conditional - unconditional)

    return predict


@torch.no_grad()
def sample_novel_views(
    view_prior: ViewConditionedPrior,
    text_prior: TextConditionedPrior,
    condition: ViewCondition,
    relative_pose: Float[Tensor, "views 4"],
    noise: Float[Tensor, "views c h w"],
    sampling: NovelViewSampling,
    common_noise: Float[Tensor, "#views c h w"] | None = None,
) -> Float[Tensor, "views 3 height width"]:
    """Sample novel views in [0, 1], over white.

    Args:
        view_prior: Predicts ε_Z.
        text_prior: Predicts ε_S.
        condition: Of the input image.
        relative_pose: T of each view.
        noise: Of each view, standard normal.
        sampling: Guidance, start, shared noise, solver and steps.
        common_noise: The same for all views of an object, standard normal; needed unless ``shared_noise`` is 0.

    Raises:
        ViewDistillError: The priors have different noise levels, or there is no lifting to start from.
        ValueError: The common noise is missing.
    """
    predict = rectified_noise_predictor(view_prior, text_prior, condition, relative_pose, sampling.guidance_scale)
    if sampling.shared_noise:
        if common_noise is None:
            raise ValueError("shared_noise is not 0 but common_noise is missing; give the noise that the views share")
        noise = (1 - sampling.shared_noise) ** 0.5 * noise + sampling.shared_noise**0.5 * common_noise
    schedule = view_prior.schedule
    if sampling.start == "noise":
        return view_prior.decode_samples(sample(predict, schedule, noise, sampling))
    timesteps = torch.full((len(noise),), sampling.start_timestep, device=noise.device)
    noisy = schedule.add_noise(lifted_mean(view_prior, condition, relative_pose), noise, timesteps)
    return view_prior.decode_samples(denoise(predict, schedule, noisy, sampling.start_timestep, sampling))


@torch.no_grad()
def lifted_mean(
    prior: ViewConditionedPrior, condition: ViewCondition, relative_pose: Float[Tensor, "views 4"]
) -> Float[Tensor, "views c h w"]:
    """Return scaled latents of the lifting's mean views, given the input image.

    Args:
        prior: With a lifting.
        condition: Of one input image for all views, or of a number of images that divides the views.
        relative_pose: T of each view.

    Raises:
        ViewDistillError: The prior has no lifting.
    """
    if prior.lifting is None or condition.lifted is None or condition.elevation is None:
        raise ViewDistillError("this view-conditioned prior has no lifting; set sampling.start to noise")
    images = len(condition.elevation)
    poses = relative_pose.unflatten(0, (images, len(relative_pose) // images))
    features = prior.lifting.look(condition.lifted, condition.elevation, poses).flatten(0, 1)
    return prior.lifting.mean_view(features).float()
