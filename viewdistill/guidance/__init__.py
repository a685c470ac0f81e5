"""Score distillation: the family of gradients, the reference-view score, rectified sampling, and diagnostics."""

from viewdistill.guidance.bias import NoiseBias, empty_text_predictor, noise_bias, recover_ddim, recover_one_step
from viewdistill.guidance.family import METHODS, ScoreDistillation
from viewdistill.guidance.gradient import ScoreGradient, Weighting, gradient_cosine, score_loss, weight
from viewdistill.guidance.method import GuidanceMethod
from viewdistill.guidance.predictions import (
    TEXT,
    TEXT_EMPTY,
    TEXT_NEGATIVE,
    VIEW,
    VIEW_EMPTY,
    Branch,
    Predictions,
    Query,
)
from viewdistill.guidance.predictors import Predictors, ViewPrior
from viewdistill.guidance.rectified import NovelViewSampling, rectified_noise_predictor, sample_novel_views
from viewdistill.guidance.reference import reference_loss, reference_score_gradient
from viewdistill.guidance.timesteps import Annealed, SquareRootTimesteps, Timesteps, UniformTimesteps, draw

__all__ = [
    "METHODS",
    "TEXT",
    "TEXT_EMPTY",
    "TEXT_NEGATIVE",
    "VIEW",
    "VIEW_EMPTY",
    "Annealed",
    "Branch",
    "GuidanceMethod",
    "NoiseBias",
    "NovelViewSampling",
    "Predictions",
    "Predictors",
    "Query",
    "ScoreDistillation",
    "ScoreGradient",
    "SquareRootTimesteps",
    "Timesteps",
    "UniformTimesteps",
    "ViewPrior",
    "Weighting",
    "draw",
    "empty_text_predictor",
    "gradient_cosine",
    "noise_bias",
    "recover_ddim",
    "recover_one_step",
    "rectified_noise_predictor",
    "reference_loss",
    "reference_score_gradient",
    "sample_novel_views",
    "score_loss",
    "weight",
]
