"""Latent diffusion priors: noise schedules, conditioning, the two kinds of prior, and samplers."""

from viewdistill.diffusion.conditioning import CameraProjection, drop_conditions, image_tokens, preprocess_for_clip
from viewdistill.diffusion.latents import LatentDiffusionPrior, LatentPosterior
from viewdistill.diffusion.priors import TextConditionedPrior, ViewCondition, ViewConditionedPrior
from viewdistill.diffusion.samplers import (
    NoisePredictor,
    Sampling,
    TextSampling,
    denoise,
    sample,
    sample_text,
    sampling_timesteps,
    text_noise_predictor,
    view_noise_predictor,
)
from viewdistill.diffusion.schedule import NoiseSchedule

__all__ = [
    "CameraProjection",
    "LatentDiffusionPrior",
    "LatentPosterior",
    "NoisePredictor",
    "NoiseSchedule",
    "Sampling",
    "TextConditionedPrior",
    "TextSampling",
    "ViewCondition",
    "ViewConditionedPrior",
    "denoise",
    "drop_conditions",
    "image_tokens",
    "preprocess_for_clip",
    "sample",
    "sample_text",
    "sampling_timesteps",
    "text_noise_predictor",
    "view_noise_predictor",
]
