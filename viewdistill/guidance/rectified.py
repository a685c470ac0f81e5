"""Unbiased sampling: classifier-free guidance whose unconditional branch is Stable Diffusion's."""

from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewCondition, ViewConditionedPrior
from viewdistill.diffusion.samplers import NoisePredictor
from viewdistill.guidance.predictions import shared_schedule


def rectified_noise_predictor(
    view_prior: ViewConditionedPrior,
    text_prior: TextConditionedPrior,
    condition: ViewCondition,
    relative_pose: Float[Tensor, "batch 4"],
    guidance_scale: float,
) -> NoisePredictor:
    """Rectified guidance ε_S(∅) + s (ε_Z(y, T) − ε_S(∅)), for any sampler.

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
