"""The picture stage: an input image for an object that exists in words only. Nothing is fitted here."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from datamodules.picture import PictureBatch
from datamodules.seeding import image_noise
from lightning_modules.loaded_priors import load_text_prior
from viewdistill.diffusion.classifier import classify
from viewdistill.diffusion.foreground import mask_over_white
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import TextSampling, sample_text
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import to_bytes
from viewdistill.precision import Precision

SIZE = 256
"""Least side of the picture, pixels: what the input stage frames it to."""

SMALLEST_OBJECT = 0.03
"""Share of the picture below which what was painted is no object."""


class Candidate(NamedTuple):
    """One sample of the text."""

    rgba: UInt8[np.ndarray, "size size 4"]
    """The picture, its white ground transparent."""
    whole: bool
    """Whether it shows one object that the frame does not cut."""
    agreement: float
    """How much better the prior denoises it under the text than under the empty one: the higher, the closer."""


class PictureSampler(pl.LightningModule):
    """Samples pictures of a text over white and cuts the object out of each; a callback chooses one and writes it.

    Args:
        prior: Folder of the text-conditioned prior, diffusers layout.
        precision: Of its weights.
        sampling: Guidance, solver and steps.
        seed: Of the noise; that of candidate i is a function of (seed, i) alone.
    """

    def __init__(self, prior: str, precision: Precision, sampling: TextSampling, seed: int) -> None:
        super().__init__()
        self.prior_folder = prior
        self.precision: Precision = precision
        self.sampling = sampling
        self.seed = seed
        # A plain list keeps the frozen prior out of the module tree; fits in the same process may share it.
        self.loaded: list[TextConditionedPrior] = []
        settings: dict[str, Any] = {"prior": prior, "precision": precision}
        self.save_hyperparameters(settings | {"sampling": asdict(sampling), "seed": seed})

    def configure_model(self) -> None:
        """Load the prior."""
        if not self.loaded:
            self.loaded.append(load_text_prior(self.prior_folder, self.precision, self.trainer.strategy.root_device))

    def predict_step(self, batch: PictureBatch, batch_idx: int) -> list[Candidate]:
        """Candidates of the text."""
        prior = self.loaded[0]
        noise = image_noise(self.seed, batch.indices.tolist(), prior.latent_shape, self.device)
        pictures = sample_text(prior, batch.text, noise, self.sampling)
        return [cut_out(prior, picture[None], batch.text) for picture in pictures]


def cut_out(prior: TextConditionedPrior, picture: Float[Tensor, "1 3 size size"], text: str) -> Candidate:
    """Cut the object out of a sample, and rate it."""
    errors = classify(prior, picture, [text, ""]).errors
    factor = max(1, -(-SIZE // picture.shape[-1]))
    # Enlarged before it is cut out, so that the rim of the object is smooth.
    rgb = F.interpolate(picture.cpu(), scale_factor=factor, mode="bicubic", align_corners=False).clamp(0, 1)
    mask = mask_over_white(rgb)
    rim = torch.cat([mask[0, 0], mask[0, -1], mask[0, :, 0], mask[0, :, -1]])
    rgba = torch.cat([rgb, mask[:, None]], 1)[0].permute(1, 2, 0)
    return Candidate(
        rgba=to_bytes(rgba),
        whole=not bool(rim.any()) and float(mask.mean()) >= SMALLEST_OBJECT,
        agreement=float(errors[1] - errors[0]),
    )


def choose(candidates: Sequence[Candidate], text: str) -> int:
    """Index of the whole object with the best agreement.

    Raises:
        ViewDistillError: None of them shows a whole object.
    """
    whole = [index for index, candidate in enumerate(candidates) if candidate.whole]
    if not whole:
        raise ViewDistillError(
            f'"{text}": none of {len(candidates)} pictures shows a whole object; say it in other words, or try '
            "another --seed or a larger --data.count"
        )
    return max(whole, key=lambda index: candidates[index].agreement)
