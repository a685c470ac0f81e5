"""Score distillation: the family of gradients, the reference-view score, rectified sampling, and diagnostics."""

from viewdistill.guidance.bias import NoiseBias, empty_text_predictor, noise_bias, recover_ddim, recover_one_step
from viewdistill.guidance.family import METHODS, ScoreDistillation
from viewdistill.guidance.gradient import ScoreGradient, Weighting, gradient_cosine, score_loss, weight
from viewdistill.guidance.predictions import GuidanceTerms
from viewdistill.guidance.rectified import NovelViewSampling, rectified_noise_predictor, sample_novel_views
from viewdistill.guidance.reference import reference_score_gradient
from viewdistill.guidance.timesteps import Annealed, SquareRootTimesteps, UniformTimesteps

__all__ = [
    "METHODS",
    "Annealed",
    "GuidanceTerms",
    "NoiseBias",
    "NovelViewSampling",
    "ScoreDistillation",
    "ScoreGradient",
    "SquareRootTimesteps",
    "UniformTimesteps",
    "Weighting",
    "empty_text_predictor",
    "gradient_cosine",
    "noise_bias",
    "recover_ddim",
    "recover_one_step",
    "rectified_noise_predictor",
    "reference_score_gradient",
    "sample_novel_views",
    "score_loss",
    "weight",
]
