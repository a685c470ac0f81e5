"""The novel-views stage: samples of the view-conditioned prior around the object. Nothing is fitted."""

from dataclasses import asdict

import numpy as np
import pytorch_lightning as pl
from jaxtyping import UInt8

from datamodules.novel_views import NovelViewBatch
from datamodules.posed_views import straight_rgba
from datamodules.seeding import Purpose, image_noise
from lightning_modules.loaded_priors import load_text_prior, load_view_prior
from viewdistill.diffusion.foreground import mask_over_white
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.guidance.rectified import NovelViewSampling, sample_novel_views
from viewdistill.pictures import resize
from viewdistill.precision import Precision


class NovelViewSampler(pl.LightningModule):
    """Samples views of the object by rectified guidance; a callback writes them.

    Args:
        view_prior: Folder of the view-conditioned prior, diffusers layout.
        text_prior: Folder of the text-conditioned prior, diffusers layout; gives the unconditional branch.
        precision: Precision of both priors.
        sampling: Guidance, start, solver and steps.
        white_distance: Smallest distance from white, in [0, 1], of an object pixel; defines the masks.
        seed: Seed of the noise; the noise of view i is a function of (seed, i) alone.
    """

    def __init__(
        self,
        view_prior: str,
        text_prior: str,
        precision: Precision,
        sampling: NovelViewSampling,
        white_distance: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.prior_folders = view_prior, text_prior
        self.precision: Precision = precision
        self.sampling = sampling
        self.white_distance = white_distance
        self.seed = seed
        # A plain list keeps the frozen priors out of the module tree; other fits in this process may share them.
        self.loaded: list[tuple[ViewConditionedPrior, TextConditionedPrior]] = []
        settings = {"view_prior": view_prior, "text_prior": text_prior, "precision": precision}
        self.save_hyperparameters(
            settings | {"sampling": asdict(sampling), "white_distance": white_distance, "seed": seed}
        )

    def configure_model(self) -> None:
        """Load both priors."""
        if not self.loaded:
            device = self.trainer.strategy.root_device
            view_folder, text_folder = self.prior_folders
            view = load_view_prior(view_folder, self.precision, device)
            self.loaded.append((view, load_text_prior(text_folder, self.precision, device)))

    def predict_step(self, batch: NovelViewBatch, batch_idx: int) -> UInt8[np.ndarray, "views size size 4"]:
        """Sample views as RGBA, with masks derived from the white background."""
        view, text = self.loaded[0]
        condition = view.condition(resize(batch.image, view.image_size), batch.elevation, batch.further)
        noise = image_noise(self.seed, batch.indices.tolist(), view.latent_shape, self.device)
        common = image_noise(self.seed, [0], view.latent_shape, self.device, Purpose.COMMON_NOISE)
        images = sample_novel_views(view, text, condition, batch.relative_pose, noise, self.sampling, common)
        return straight_rgba(images.movedim(1, -1), mask_over_white(images, self.white_distance))
