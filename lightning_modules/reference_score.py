"""Reference-view score distillation as the stages use it: a reference encoded once, compared with renders of it."""

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.cameras import CameraBatch, InputView
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.guidance.predictions import Query
from viewdistill.guidance.reference import reference_query
from viewdistill.guidance.timesteps import Timesteps, draw
from viewdistill.pictures import resize


class ReferenceView:
    """The input image or a further reference, as renders from its camera are compared with it.

    Args:
        prior: The frozen text-conditioned prior.
        timesteps: Noise levels.
        view: The picture.
        device: Where renders are.
    """

    def __init__(
        self, prior: TextConditionedPrior, timesteps: Timesteps, view: InputView, device: torch.device
    ) -> None:
        self.prior = prior
        self.timesteps = timesteps
        self.cameras = CameraBatch(*(part.to(device) for part in view.cameras[:4]), fovy=view.cameras.fovy)
        with torch.no_grad():
            self.latents = prior.encode_images(view.resized(prior.image_size)[0].to(device))

    def query(
        self, images: Float[Tensor, "1 3 height width"], progress: float, generator: torch.Generator
    ) -> tuple[Float[Tensor, "1 c h w"], Query]:
        """Return latents of the render, with gradient, and the query for `reference_gradient`.

        Args:
            images: The render from `cameras` in [0, 1], of any size, with gradient.
            progress: Fraction of the fit that is done.
            generator: Source of the noise.
        """
        latents = self.prior.encode_images(resize(images, self.prior.image_size))
        timesteps, noise = draw(self.timesteps, latents, progress, self.prior.schedule, generator)
        return latents, reference_query(latents.detach(), self.latents, timesteps, noise, self.prior.schedule)
