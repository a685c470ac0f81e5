"""The novel-views stage: samples of the view-conditioned prior around the object. Nothing is fitted here."""

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from datamodules.posed_views import ViewCamera, straight_rgba
from datamodules.seeding import image_noise
from lightning_modules.loaded_priors import load_text_prior, load_view_prior
from lightning_modules.reference_score import resize
from viewdistill.diffusion.foreground import mask_over_white
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import sample_from_noise
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.rectified import rectified_noise_predictor
from viewdistill.precision import Precision


class NovelViewSampler:
    """Samples views all around the object by rectified guidance and DDIM with η = 0.

    Args:
        count: Views, at equal steps of azimuth; the input view's own place is one more such step.
        elevation: Of all of them, degrees; the input view's own when not given.
        guidance_scale: s of rectified guidance.
        steps: Of DDIM.
        batch_size: Views that are sampled together.
        white_distance: How far below white a channel of the object is, of 1; decides the masks.
        view_prior: Folder of the view-conditioned prior, diffusers layout.
        text_prior: Folder of the text-conditioned prior, diffusers layout; gives the unconditional branch.
        precision: Of both.
        seed: Of the noise; that of view i is a function of (seed, i) alone.
    """

    def __init__(
        self,
        count: int = 5,
        elevation: float | None = None,
        guidance_scale: float = 3.0,
        steps: int = 50,
        batch_size: int = 8,
        white_distance: float = 0.08,
        view_prior: str = "priors/nano/zero123",
        text_prior: str = "priors/nano/stable-diffusion",
        precision: Precision = "auto",
        seed: int = 0,
    ) -> None:
        if min(count, steps, batch_size) < 1 or steps > 1000 or seed < 0:
            raise ViewDistillError("count, steps (to 1,000) and batch_size must be at least 1, seed at least 0")
        if elevation is not None and not abs(elevation) <= 90:
            raise ViewDistillError(f"elevation {elevation:g}: must be between -90 and 90 degrees")
        self.count, self.elevation = count, elevation
        self.guidance_scale, self.steps, self.batch_size = guidance_scale, steps, batch_size
        self.white_distance = white_distance
        self.view_prior, self.text_prior = view_prior, text_prior
        self.precision: Precision = precision
        self.seed = seed
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def cameras(self, known: ViewCamera) -> list[ViewCamera]:
        """Cameras at the distance and field of view of the input camera ``known``, from its left all around."""
        elevation = known.elevation_deg if self.elevation is None else self.elevation
        step = 360 / (self.count + 1)
        azimuths = [known.azimuth_deg + index * step for index in range(1, self.count + 1)]
        return [ViewCamera(azimuth, elevation, known.distance, known.fovy_deg) for azimuth in azimuths]

    @cached_property
    def priors(self) -> tuple[ViewConditionedPrior, TextConditionedPrior]:
        """Both priors, loaded when they are first needed."""
        view = load_view_prior(self.view_prior, self.precision, self.device)
        return view, load_text_prior(self.text_prior, self.precision, self.device)

    @torch.no_grad()
    def sample(
        self, image: Float[Tensor, "1 3 height width"], known: ViewCamera, indices: list[int]
    ) -> UInt8[np.ndarray, "views size size 4"]:
        """Some of the views, as RGBA with masks derived from the white ground.

        Args:
            image: The input over white, in [0, 1].
            known: Its camera.
            indices: Which of `cameras`.
        """
        view, text = self.priors
        cameras = self.cameras(known)
        condition = view.condition(resize(image, view.image_size).to(self.device), known.elevation_deg)
        poses = torch.stack([cameras[index].pose_from(known) for index in indices]).to(self.device)
        predict = rectified_noise_predictor(view, text, condition, poses, self.guidance_scale)
        noise = image_noise(self.seed, indices, view.latent_shape, self.device)
        images = view.decode_latents(sample_from_noise(predict, view.schedule, noise, self.steps))
        return straight_rgba(images.movedim(1, -1), mask_over_white(images, self.white_distance))
