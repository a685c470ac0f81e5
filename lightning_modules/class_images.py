"""The class-images stage: samples of the text-conditioned prior for a class word. Nothing is fitted here."""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from datamodules.prompts import check_template
from datamodules.seeding import image_noise
from lightning_modules.loaded_priors import load_text_prior
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import sample_text
from viewdistill.errors import ViewDistillError
from viewdistill.precision import Precision


class ClassImageSampler:
    """Samples images of "a {class}" by classifier-free guidance and DDIM with η = 0.

    Args:
        count: Images of a class.
        template: Prompt with ``{}`` for the class word; also that of the specialisation.
        guidance_scale: s of classifier-free guidance against the empty text.
        steps: Of DDIM.
        batch_size: Images that are sampled together.
        prior: Folder of the text-conditioned prior, diffusers layout.
        precision: Of its weights.
        cache: Folder of the cache that all objects share.
        seed: Of the noise; that of image i is a function of (seed, i) alone.
    """

    def __init__(
        self,
        count: int = 48,
        template: str = "a {}",
        guidance_scale: float = 6.5,
        steps: int = 25,
        batch_size: int = 16,
        prior: str = "priors/nano/stable-diffusion",
        precision: Precision = "auto",
        cache: str = ".cache/class_images",
        seed: int = 0,
    ) -> None:
        if min(count, steps, batch_size) < 1 or steps > 1000 or seed < 0:
            raise ViewDistillError("count, steps (to 1,000) and batch_size must be at least 1, seed at least 0")
        check_template(template)
        self.count, self.template = count, template
        self.guidance_scale, self.steps, self.batch_size = guidance_scale, steps, batch_size
        self.prior_folder = prior
        self.precision: Precision = precision
        self.cache = Path(cache)
        self.seed = seed
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def prior(self) -> TextConditionedPrior:
        """The prior, loaded when it is first needed."""
        return load_text_prior(self.prior_folder, self.precision, self.device)

    @torch.no_grad()
    def sample(self, prompt: str, indices: list[int]) -> UInt8[np.ndarray, "images size size 3"]:
        """Some of the images of a prompt."""
        noise = image_noise(self.seed, indices, self.prior.latent_shape, self.device)
        images = sample_text(self.prior, prompt, noise, self.guidance_scale, self.steps)
        return (images.movedim(1, -1) * 255 + 0.5).to(torch.uint8).cpu().numpy()
