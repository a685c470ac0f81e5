"""What the stages that sample from the text-conditioned prior share. Nothing is fitted in them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
from jaxtyping import Float
from torch import Tensor

from datamodules.seeding import image_noise
from lightning_modules.loaded_priors import load_text_prior
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.samplers import TextSampling, sample_text
from viewdistill.precision import Precision


class TextSampler(pl.LightningModule):
    """Samples images by classifier-free guidance; a callback writes them.

    Args:
        prior: Folder of the text-conditioned prior, diffusers layout.
        precision: Of its weights.
        sampling: Guidance, solver and steps.
        seed: Of the noise; that of image i is a function of (seed, i) alone.
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

    def samples(self, text: str, indices: Sequence[int]) -> Float[Tensor, "images 3 size size"]:
        """Images of a text in [0, 1].

        Args:
            text: What they show.
            indices: Of the images; each decides the noise of its own.
        """
        prior = self.loaded[0]
        noise = image_noise(self.seed, indices, prior.latent_shape, self.device)
        return sample_text(prior, text, noise, self.sampling)
