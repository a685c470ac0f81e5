"""Reference-view score distillation as the stages use it: the input image encoded once, compared with renders of it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from datamodules.cameras import InputView
from viewdistill.diffusion.latents import LatentDiffusionPrior
from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.guidance.gradient import ScoreGradient, score_loss
from viewdistill.guidance.reference import ReferencePair
from viewdistill.guidance.timesteps import UniformTimesteps


class ReferenceScore:
    """The score difference between renders from the input camera and the input image, under empty text.

    Args:
        prior: The frozen text-conditioned prior.
        timesteps: Noise levels.
        view: The input image.
        device: Where renders are.
    """

    def __init__(
        self, prior: TextConditionedPrior, timesteps: UniformTimesteps, view: InputView, device: torch.device
    ) -> None:
        self.prior = prior
        self.timesteps = timesteps
        with torch.no_grad():
            self.latents = prior.encode_images(view.resized(prior.image_size)[0].to(device))
        self.statistics: dict[str, Tensor] = {}
        """What the last step's score was like, for the log."""

    def loss(
        self, images: Float[Tensor, "1 3 height width"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """L = ½‖ẑ − sg(ẑ − g_ref)‖² of the render from the input camera.

        Args:
            images: The render in [0, 1], of any size, with gradient.
            progress: Fraction of the fit that is done.
            generator: Source of the noise.
        """
        latents, pair = self.pair(images, progress, generator)
        return self.loss_of(latents, pair, pair.predict(self.prior))

    def pair(
        self, images: Float[Tensor, "1 3 height width"], progress: float, generator: torch.Generator
    ) -> tuple[Float[Tensor, "1 c h w"], ReferencePair]:
        """Latents of the render, with gradient, and what the prior is to be asked about; arguments as in `loss`."""
        latents = self.prior.encode_images(resize(images, self.prior.image_size))
        timesteps, noise = draw(self.timesteps, latents, progress, self.prior, generator)
        return latents, ReferencePair.of(latents.detach(), self.latents, timesteps, noise, self.prior.schedule)

    def loss_of(
        self, latents: Float[Tensor, "1 c h w"], pair: ReferencePair, predictions: Float[Tensor, "2 c h w"]
    ) -> Float[Tensor, ""]:
        """The loss, from `pair` and the prior's predictions for the empty text."""
        score = pair.gradient(predictions)
        self.statistics = statistics("reference", score, pair.timesteps)
        return score_loss(latents, score.g)


def statistics(name: str, score: ScoreGradient, timesteps: Int[Tensor, " batch"]) -> dict[str, Tensor]:
    """What is worth logging of a gradient."""
    return {
        f"{name}_norm": score.norm,
        f"{name}_timestep": timesteps.float().mean(),
        f"{name}_nonfinite": score.nonfinite.float(),
    }


def draw(
    timesteps: UniformTimesteps,
    latents: Float[Tensor, "batch c h w"],
    progress: float,
    prior: LatentDiffusionPrior,
    generator: torch.Generator,
) -> tuple[Int[Tensor, " batch"], Float[Tensor, "batch c h w"]]:
    """One timestep for each latent and noise of its shape."""
    total = prior.schedule.num_train_timesteps
    t = timesteps.sample(len(latents), progress, generator, latents.device, total)
    return t, torch.randn(latents.shape, generator=generator, device=latents.device)


def resize(images: Float[Tensor, "batch 3 height width"], size: int) -> Float[Tensor, "batch 3 size size"]:
    """Images at the prior's size; unchanged where they have it."""
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
