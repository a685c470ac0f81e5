"""Estimates of the input stage, by the priors: the elevation of the camera and the class word."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from commands.inputs.input_settings import InputSettings
from lightning_modules.loaded_priors import load_text_prior, load_view_prior
from viewdistill.diffusion.class_words import words_of
from viewdistill.diffusion.classifier import CLEAR_MARGIN, classify
from viewdistill.diffusion.zero_shot import CLEAR_PROBABILITY, load_clip, word_probabilities
from viewdistill.guidance.elevation import ElevationEstimate, estimate_elevation
from viewdistill.pictures import resize_rgba, to_tensor


def elevation_of(framed: UInt8[np.ndarray, "size size 4"], settings: InputSettings) -> ElevationEstimate:
    """The prior's estimate of the elevation."""
    prior = load_view_prior(settings.view_prior, settings.precision, estimating_device())
    picture, mask = picture_and_mask(framed, prior.image_size)
    return estimate_elevation(
        prior,
        picture,
        mask,
        guidance_scale=settings.elevation_guidance_scale,
        steps=settings.elevation_steps,
    )


def estimating_device() -> torch.device:
    """Return the device of the estimates: a GPU if available."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_word(framed: UInt8[np.ndarray, "size size 4"], settings: InputSettings) -> tuple[str, float, bool]:
    """Return the word that describes the image best, its margin, and whether the margin is large enough.

    Raises:
        ViewDistillError: The prior that chooses cannot be read.
    """
    words = words_of(settings.class_words)
    if settings.clip is not None:
        model, tokenizer = load_clip(settings.clip)
        vision: Any = model.config.vision_config  # whose annotation is that of any configuration
        picture, _ = picture_and_mask(framed, vision.image_size)
        probabilities = word_probabilities(model, tokenizer, picture, words)
        probability = float(probabilities.max())
        return words[int(probabilities.argmax())], probability, probability >= CLEAR_PROBABILITY
    prior = load_text_prior(settings.text_prior, settings.precision, estimating_device())
    picture, _ = picture_and_mask(framed, prior.image_size)
    result = classify(prior, picture.to(prior.device), [f"a {word}" for word in words])
    return words[result.best], result.margin, result.margin >= CLEAR_MARGIN


def picture_and_mask(
    framed: UInt8[np.ndarray, "side side 4"], size: int
) -> tuple[Float[Tensor, "1 3 size size"], Float[Tensor, "1 1 size size"]]:
    """The framed image over white and its mask, both in [0, 1], at a prior's size."""
    return resize_rgba(to_tensor(framed)[None], size)
