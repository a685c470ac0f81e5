"""Common part of both kinds of prior: an autoencoder, a UNet on its latents, and their noise schedule."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn

from viewdistill.diffusion.schedule import NoiseSchedule, PredictionType
from viewdistill.errors import ViewDistillError
from viewdistill.phases import phase


@dataclass(frozen=True)
class LatentPosterior:
    """The autoencoder's Gaussian over scaled latents of images; computed once for images that never change."""

    mean: Float[Tensor, "batch c h w"]
    """Mean, which is also the mode."""
    std: Float[Tensor, "batch c h w"]
    """Standard deviation."""

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "batch c h w"]:
        """Draw latents; differentiable in the images, by reparametrisation."""
        noise = torch.randn(
            self.mean.shape, generator=generator, device=generator.device if generator else self.mean.device
        )
        return self.mean + self.std * noise.to(self.mean.device)


class LatentDiffusionPrior(nn.Module):
    """An autoencoder and a UNet, in any precision, behind an fp32 boundary.

    Images are [0, 1]; latents are scaled by the autoencoder's ``scaling_factor``. The constructor takes the modules as
    they are, so that a training run can sample from its own networks; `freeze`, which loading calls, makes them
    constants.

    Args:
        vae: Autoencoder.
        unet: Noise (or velocity) predictor on its latents.
        schedule: Noise levels, and the meaning of the UNet's output.
    """

    def __init__(self, vae: AutoencoderKL, unet: UNet2DConditionModel, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.vae = vae
        self.unet = unet
        self.schedule = schedule
        self._frozen = False

    def freeze(self) -> None:
        """Disable gradients of all weights and switch to evaluation mode, permanently."""
        self.requires_grad_(False).eval()
        self._frozen = True

    def train(self, mode: bool = True):  # returns Self, which run-time checks of methods cannot express
        """Switch training mode; a frozen prior stays in evaluation mode although the module that owns it trains."""
        return super().train(mode and not self._frozen)

    def large_networks(self) -> list[nn.Module]:
        """Return the networks that can wait in main memory between their calls; subclasses add their encoders."""
        return [self.unet]

    @property
    def device(self) -> torch.device:
        """Device of the latents: that of the autoencoder, since other networks may wait in main memory."""
        return self.vae.device

    @property
    def prediction_type(self) -> PredictionType:
        """Quantity that the UNet outputs. `predict_noise` of the two priors gives ε in either case."""
        return self.schedule.prediction_type

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the latents of one image."""
        config = _config(self.unet)
        return int(config.out_channels), int(config.sample_size), int(config.sample_size)

    @property
    def image_size(self) -> int:
        """Side of the images that the prior was trained on, pixels; callers resize to it."""
        return self.latent_shape[1] * self._pixels_per_latent

    def latent_shape_of(self, image_size: int) -> tuple[int, int, int]:
        """Return channels, height and width of the latents of one square image of any size that the networks accept.

        Args:
            image_size: Side of the image, pixels.

        Raises:
            ViewDistillError: The size is no multiple of the total downsampling factor of autoencoder and UNet.
        """
        multiple = self._pixels_per_latent * 2 ** (len(_config(self.unet).block_out_channels) - 1)
        if image_size < multiple or image_size % multiple:
            raise ViewDistillError(
                f"images of {image_size} pixels do not fit this prior; give a multiple of {multiple}, best "
                f"{self.image_size}, which it was trained on"
            )
        side = image_size // self._pixels_per_latent
        return self.latent_shape[0], side, side

    @property
    def _pixels_per_latent(self) -> int:
        return 2 ** (len(_config(self.vae).block_out_channels) - 1)

    @property
    def scaling_factor(self) -> float:
        """Factor from the autoencoder's latents to those the UNet sees."""
        return float(_config(self.vae).scaling_factor)

    def encode_image_moments(self, images: Float[Tensor, "batch 3 height width"]) -> LatentPosterior:
        """Return the posterior over scaled latents of images in [0, 1]; differentiable."""
        with phase("VAE encode"):
            encoded = self.vae.encode((images * 2 - 1).to(self.vae.dtype), return_dict=False)
        distribution: Any = encoded[0]
        mean, log_variance = cast(Tensor, distribution.parameters).float().chunk(2, dim=1)
        std = (0.5 * log_variance.clamp(-30, 20)).exp()
        return LatentPosterior(mean * self.scaling_factor, std * self.scaling_factor)

    def encode_images(
        self,
        images: Float[Tensor, "batch 3 height width"],
        generator: torch.Generator | None = None,
        sample: bool = False,
    ) -> Float[Tensor, "batch c h w"]:
        """Return scaled latents of images; differentiable.

        Args:
            images: In [0, 1].
            generator: Source of the posterior noise; giving one implies ``sample``.
            sample: Draw from the posterior in place of taking its mode.
        """
        posterior = self.encode_image_moments(images)
        return posterior.sample(generator) if sample or generator is not None else posterior.mean

    def decode_latents(self, latents: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch 3 height width"]:
        """Return images in [0, 1] of scaled latents."""
        unscaled = (latents / self.scaling_factor).to(self.vae.dtype)
        decoded = cast(Tensor, self.vae.decode(cast(torch.FloatTensor, unscaled), return_dict=False)[0])
        return (decoded.float() / 2 + 0.5).clamp(0, 1)

    def decode_samples(self, latents: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch 3 height width"]:
        """Images in [0, 1] of sampled latents; waits for the device.

        Raises:
            ViewDistillError: A latent or a pixel is not finite.
        """
        images = self.decode_latents(latents)
        for name, values in (("latents", latents), ("pixels", images)):
            finite = values.isfinite()
            if not bool(finite.all()):
                share = 1 - float(finite.float().mean())
                raise ViewDistillError(
                    f"sampling: {share:.2%} of the {name} are not finite; try precision fp32 or a lower guidance_scale"
                )
        return images

    def _epsilon(
        self,
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        context: Float[Tensor, "batch tokens dim"],
        concatenated: Float[Tensor, "batch more h w"] | None = None,
    ) -> Float[Tensor, "batch c h w"]:
        """Evaluate a UNet in its own precision and return ε in fp32; all evaluations come through here."""
        dtype = self.unet.dtype
        unet_input = noisy if concatenated is None else torch.cat([noisy, concatenated], 1)
        with phase("UNets"), torch.no_grad():
            output = self.unet(unet_input.to(dtype), timesteps, context.to(dtype), return_dict=False)
        return self.schedule.epsilon_from_output(cast(Tensor, output[0]), noisy, timesteps)


def require_fit(name: str, prior: LatentDiffusionPrior, channels: int, context: int, what: str) -> None:
    """Make sure that the UNet takes what the other components give.

    Raises:
        ViewDistillError: It does not: the folder holds another kind of prior, or parts of two.
    """
    config = _config(prior.unet)
    takes = (config.in_channels, config.cross_attention_dim)
    if takes != (channels, context):
        raise ViewDistillError(
            f"{name}: its unet takes {takes[0]} channels and a context of width {takes[1]}, where {what} has "
            f"{channels} and {context}; give {what}"
        )


def _config(module: AutoencoderKL | UNet2DConditionModel) -> Any:  # diffusers does not type its configurations
    return module.config
