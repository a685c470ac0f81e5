"""The picture stage: an input image for an object that exists in words only. Nothing is fitted here."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from datamodules.seeding import image_noise
from lightning_modules.loaded_priors import load_text_prior
from viewdistill.diffusion.classifier import classify
from viewdistill.diffusion.foreground import mask_over_white
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import sample_text
from viewdistill.errors import ViewDistillError
from viewdistill.precision import Precision

SIZE = 256
"""Least side of the picture, pixels: what the input stage frames it to."""

SMALLEST_OBJECT = 0.03
"""Share of the picture below which what was painted is no object."""


@dataclass(frozen=True)
class Candidate:
    """One sample of the text."""

    rgba: UInt8[np.ndarray, "size size 4"]
    """The picture, its white ground transparent."""
    whole: bool
    """Whether it shows one object that the frame does not cut."""
    agreement: float
    """How much better the prior denoises it under the text than under the empty one: the higher, the closer."""


class PictureSampler:
    """Samples pictures of a text over white, cuts the object out of each, and chooses one.

    Args:
        count: Candidates.
        index: The candidate to take; None for the whole object with the best agreement.
        guidance_scale: s of classifier-free guidance against the empty text.
        steps: Of DDIM.
        prior: Folder of the text-conditioned prior, diffusers layout.
        precision: Of its weights.
        seed: Of the noise; that of candidate i is a function of (seed, i) alone.
    """

    def __init__(
        self,
        count: int = 8,
        index: int | None = None,
        guidance_scale: float = 6.5,
        steps: int = 50,
        prior: str = "priors/nano/stable-diffusion",
        precision: Precision = "auto",
        seed: int = 0,
    ) -> None:
        if min(count, steps) < 1 or steps > 1000 or seed < 0:
            raise ViewDistillError("count and steps (to 1,000) must be at least 1, seed at least 0")
        if index is not None and not 0 <= index < count:
            raise ViewDistillError(f"index is {index}; there are the candidates 0 to {count - 1}")
        self.count, self.index = count, index
        self.guidance_scale, self.steps = guidance_scale, steps
        self.prior_folder = prior
        self.precision: Precision = precision
        self.seed = seed
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def prior(self) -> TextConditionedPrior:
        """The prior, loaded when it is first needed."""
        return load_text_prior(self.prior_folder, self.precision, self.device)

    @torch.no_grad()
    def sample(self, text: str) -> list[Candidate]:
        """All candidates of a text."""
        noise = image_noise(self.seed, range(self.count), self.prior.latent_shape, self.device)
        pictures = sample_text(self.prior, text, noise, self.guidance_scale, self.steps)
        return [self.candidate(picture[None], text) for picture in pictures]

    def candidate(self, picture: Float[Tensor, "1 3 size size"], text: str) -> Candidate:
        """Cut the object out of a sample, and rate it."""
        errors = classify(self.prior, picture, [text, ""]).errors
        factor = max(1, -(-SIZE // picture.shape[-1]))
        # Enlarged before it is cut out, so that the rim of the object is smooth.
        rgb = F.interpolate(picture.cpu(), scale_factor=factor, mode="bicubic", align_corners=False).clamp(0, 1)
        mask = mask_over_white(rgb)
        rim = torch.cat([mask[0, 0], mask[0, -1], mask[0, :, 0], mask[0, :, -1]])
        rgba = torch.cat([rgb, mask[:, None]], 1)[0].permute(1, 2, 0)
        return Candidate(
            rgba=(rgba * 255 + 0.5).to(torch.uint8).numpy(),
            whole=not bool(rim.any()) and float(mask.mean()) >= SMALLEST_OBJECT,
            agreement=float(errors[1] - errors[0]),
        )

    def choose(self, candidates: list[Candidate], text: str) -> int:
        """Index of the candidate to take.

        Raises:
            ViewDistillError: None of them shows a whole object, and ``index`` names none.
        """
        if self.index is not None:
            return self.index
        whole = [index for index, candidate in enumerate(candidates) if candidate.whole]
        if not whole:
            raise ViewDistillError(
                f'"{text}": none of {len(candidates)} pictures shows a whole object; say it in other words, or try '
                "another --seed or a larger --count"
            )
        return max(whole, key=lambda index: candidates[index].agreement)
