"""The class-images stage: samples of the text-conditioned prior for a class word. Nothing is fitted."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytorch_lightning as pl
from jaxtyping import UInt8

from datamodules.class_image_cache import ClassImageBatch
from datamodules.seeding import image_noise
from lightning_modules.loaded_priors import load_text_prior
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import TextSampling, sample_text
from viewdistill.pictures import to_bytes
from viewdistill.precision import Precision


class ClassImageSampler(pl.LightningModule):
    """Samples images of "a {class}" by classifier-free guidance; a callback writes them.

    Args:
        prior: Folder of the text-conditioned prior, diffusers layout.
        precision: Precision of its weights.
        sampling: Guidance, solver and steps.
        seed: Seed of the noise; the noise of image i is a function of (seed, i) alone.
    """

    def __init__(self, prior: str, precision: Precision, sampling: TextSampling, seed: int) -> None:
        super().__init__()
        self.prior_folder = prior
        self.precision: Precision = precision
        self.sampling = sampling
        self.seed = seed
        # A plain list keeps the frozen prior out of the module tree; other fits in this process may share it.
        self.loaded: list[TextConditionedPrior] = []
        settings: dict[str, Any] = {"prior": prior, "precision": precision}
        self.save_hyperparameters(settings | {"sampling": asdict(sampling), "seed": seed})

    def configure_model(self) -> None:
        """Load the prior."""
        if not self.loaded:
            self.loaded.append(load_text_prior(self.prior_folder, self.precision, self.trainer.strategy.root_device))

    def predict_step(self, batch: ClassImageBatch, batch_idx: int) -> UInt8[np.ndarray, "images size size 3"]:
        """Sample images of the prompt."""
        prior = self.loaded[0]
        noise = image_noise(self.seed, batch.indices.tolist(), prior.latent_shape, self.device)
        images = sample_text(prior, batch.prompt, noise, self.sampling)
        return to_bytes(images.movedim(1, -1))
