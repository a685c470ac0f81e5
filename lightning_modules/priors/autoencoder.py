"""Autoencoder of the embedded prior: images of one object to a small latent grid and back."""

from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.priors.trained_prior import TrainedPrior, save_component


class Autoencoder(TrainedPrior):
    """Trains a stock `AutoencoderKL` with an L1 + L2 reconstruction and a small KL term.

    There is no perceptual or adversarial loss: at 64 pixels the field depends on the plain reconstruction error, and
    both would need pretrained weights or a second network.

    Args:
        block_out_channels: Channels per resolution, finest first; ``len - 1`` halvings.
        latent_channels: Channels of the latent grid.
        image_size: Side of the square images, pixels.
        kl_weight: Weight of the KL divergence to N(0, I), per latent element.
        learning_rate: Peak rate of AdamW.
        warmup_steps: Steps of linear warm-up.
        total_steps: Steps after which the cosine has reached a twentieth of the peak.
        minutes: Duration of the cosine and of the training, minutes; replaces ``total_steps``.
        initial_folder: ``vae`` folder with initial weights; new weights when not given.
    """

    def __init__(
        self,
        block_out_channels: list[int],
        latent_channels: int = 4,
        image_size: int = 64,
        kl_weight: float = 1e-4,
        learning_rate: float = 1e-3,
        warmup_steps: int = 100,
        total_steps: int = 12_000,
        minutes: float | None = None,
        initial_folder: str | None = None,
    ) -> None:
        super().__init__(learning_rate, warmup_steps, total_steps, weight_decay=1e-4, minutes=minutes)
        self.save_hyperparameters()
        self.kl_weight = kl_weight
        blocks = len(block_out_channels)
        self.vae: Any = (  # diffusers does not type its modules' results
            AutoencoderKL.from_pretrained(initial_folder, torch_dtype=torch.float32)
            if initial_folder
            else AutoencoderKL(
                block_out_channels=cast(Any, tuple(block_out_channels)),
                down_block_types=cast(Any, ("DownEncoderBlock2D",) * blocks),
                up_block_types=cast(Any, ("UpDecoderBlock2D",) * blocks),
                layers_per_block=1,
                latent_channels=latent_channels,
                norm_num_groups=8,
                sample_size=image_size,
                # Attention over the latent grid takes a third of a step on a CPU and has no benefit at this size.
                mid_block_add_attention=False,
            )
        )
        if initial_folder:
            self.continue_counts(Path(initial_folder))

    def training_step(self, images: Float[Tensor, "batch 3 height width"], batch_idx: int) -> Tensor:
        """Run one reconstruction step on images in [0, 1]."""
        self.count(len(images))
        target = images * 2 - 1
        posterior = self.vae.encode(target).latent_dist
        reconstruction = self.vae.decode(posterior.sample()).sample.float()
        l1 = F.l1_loss(reconstruction, target)
        l2 = F.mse_loss(reconstruction, target)
        kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
        self.log_dict({"train/l1": l1, "train/l2": l2, "train/kl": kl}, prog_bar=True, batch_size=len(images))
        return l1 + 2 * l2 + self.kl_weight * kl

    def validation_step(self, images: Float[Tensor, "batch 3 height width"], batch_idx: int) -> None:
        """Log the PSNR of the reconstruction from the posterior mode, over all pixels, mean over images."""
        latents = self.vae.encode(images * 2 - 1).latent_dist.mode()
        reconstruction = (self.vae.decode(latents).sample.float() / 2 + 0.5).clamp(0, 1)
        psnr = -10 * (reconstruction - images).pow(2).mean((1, 2, 3)).log10()
        self.log("val/psnr", psnr.mean(), prog_bar=True, sync_dist=True, batch_size=len(images))
        self.log("val/latent_std", latents.float().std(), sync_dist=True, batch_size=len(images))

    def save_pretrained(self, folder: Path, latent_std: float) -> None:
        """Write ``folder`` (fp16 safetensors) with the scaling factor for latents of unit deviation."""
        self.vae.register_to_config(scaling_factor=round(1 / latent_std, 5))
        save_component(self.vae, folder)
