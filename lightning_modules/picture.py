"""The picture stage: an input image for an object given in words. Nothing is fitted."""

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
"""Smallest side of the picture, pixels: that of the input stage's framed image."""

SMALLEST_OBJECT = 0.03
"""Smallest share of the picture that counts as an object."""


class Candidate(NamedTuple):
    """One sample of the text."""

    rgba: UInt8[np.ndarray, "size size 4"]
    """The picture with its white background made transparent."""
    whole: bool
    """Whether it shows one object, not cut by the frame."""
    agreement: float
    """Advantage of the text over the empty one in denoising the picture; higher means closer to the text."""


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
    # Enlarged before cutting out, for a smooth rim.
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
    """Return the index of the complete object with the best agreement.

    Raises:
        ViewDistillError: No candidate shows a complete object.
    """
    whole = [index for index, candidate in enumerate(candidates) if candidate.whole]
    if not whole:
        raise ViewDistillError(
            f'"{text}": none of {len(candidates)} pictures shows a whole object; rephrase the text, or try '
            "another --seed or a larger --data.count"
        )
    return max(whole, key=lambda index: candidates[index].agreement)
