"""The picture stage: an input image for an object that exists in words only. Nothing is fitted here."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from datamodules.picture import PictureBatch
from lightning_modules.text_sampling import TextSampler
from viewdistill.diffusion.classifier import classify
from viewdistill.diffusion.foreground import mask_over_white
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import to_bytes

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


class PictureSampler(TextSampler):
    """Samples pictures of a text over white and cuts the object out of each; a callback chooses one and writes it."""

    def predict_step(self, batch: PictureBatch, batch_idx: int) -> list[Candidate]:
        """Candidates of the text."""
        pictures = self.samples(batch.text, batch.indices.tolist())
        return [cut_out(self.loaded[0], picture[None], batch.text) for picture in pictures]


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
