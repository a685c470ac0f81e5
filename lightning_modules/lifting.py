"""The lifting of the reference view, which "nano-Zero123" has and Zero-1-to-3 has not; trained before its UNet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.muon import Muon
from lightning_modules.text_to_image import copy_weights
from lightning_modules.trained_prior import TrainedPrior
from viewdistill.diffusion.lifting import ELEVATION_SPREAD, ReferenceLifting
from viewdistill.metrics.images import psnr


class Lifting(TrainedPrior):
    """Trains a `ReferenceLifting` as a feed-forward model: one reference view, several others of the same object.

    It learns the mean of the wanted views' latents, their silhouettes, and the elevation of the reference. The mean is
    blurred where the reference does not say what is there; the diffusion model that it serves is for that.

    Args:
        vae: ``vae`` folder of the autoencoder; validation decodes with it.
        latent_size: Side of its latents.
        channels: Channels of the volume.
        volume_widths: Channels of the 3D UNet at full, half and quarter resolution.
        encoder_blocks: Attention blocks over the reference's tokens.
        volume_blocks: Attention blocks at quarter resolution.
        silhouette_weight: Of the silhouettes' squared error, to the latents' of weight 1.
        elevation_weight: Of the elevation's squared error, in standard deviations.
        learning_rate: Peak rate of `Muon`, which takes its kernels and matrices, and of AdamW, which takes the rest.
        warmup_steps: Steps of linear warm-up.
        total_steps: Steps after which the cosine has reached a twentieth of the peak.
        initial_folder: Go on from this component, for example ``priors/nano/zero123/lifting``.
    """

    def __init__(
        self,
        vae: str,
        latent_size: int = 16,
        channels: int = 24,
        volume_widths: Sequence[int] = (24, 48, 96),
        encoder_blocks: int = 4,
        volume_blocks: int = 6,
        silhouette_weight: float = 0.5,
        elevation_weight: float = 0.02,
        learning_rate: float = 1.5e-3,
        warmup_steps: int = 100,
        total_steps: int = 10_000,
        initial_folder: str | None = None,
    ) -> None:
        super().__init__(learning_rate, warmup_steps, total_steps, weight_decay=1e-2)
        self.save_hyperparameters()
        self.silhouette_weight, self.elevation_weight = silhouette_weight, elevation_weight
        self.lifting = ReferenceLifting(
            latent_size=latent_size,
            channels=channels,
            encoder_blocks=encoder_blocks,
            volume_widths=volume_widths,
            volume_blocks=volume_blocks,
        ).train()
        if initial_folder:
            copy_weights(Path(initial_folder).parent, {Path(initial_folder).name: self.lifting})
            self.continue_counts(Path(initial_folder))
        # In a tuple, so that it is no part of this module: not trained, not saved, not averaged.
        self.validation_vae = (AutoencoderKL.from_pretrained(vae, torch_dtype=torch.float32).eval(),)
        self.scaling_factor = float(self.validation_vae[0].config["scaling_factor"])

    def predict_views(
        self, batch: dict[str, Tensor]
    ) -> tuple[Float[Tensor, "views c h w"], Float[Tensor, "views 1 h w"], Float[Tensor, " batch"]]:
        """Scaled latents and silhouettes of all wanted views, and the elevations estimated from the references."""
        volume, estimated = self.lifting.volume_and_elevation(batch["image_latent"], batch["elevation"])
        features = self.lifting.look(volume, batch["elevation"], batch["pose"]).flatten(0, 1)
        return self.lifting.mean_view(features), self.lifting.opacity(features), estimated

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step on groups of views.

        Args:
            batch: ``image_latent`` [B, 4, h, w] posterior modes of the references, unscaled; ``elevation`` [B] of their
                cameras, degrees; ``pose`` [B, K, 4] of the wanted views; ``latents`` [B K, 4, h, w] their scaled
                posterior samples; ``silhouettes`` [B K, 1, h, w] in [0, 1].
            batch_idx: Not used.
        """
        views = len(batch["latents"])
        self.count(views)
        latents, silhouettes, estimated = self.predict_views(batch)
        losses = {
            "latents": F.mse_loss(latents, batch["latents"]),
            "silhouettes": self.silhouette_weight * F.mse_loss(silhouettes, batch["silhouettes"]),
            "elevation": self.elevation_weight
            * F.mse_loss(estimated / ELEVATION_SPREAD, batch["elevation"] / ELEVATION_SPREAD),
        }
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, batch_size=views)
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """PSNR of the decoded mean views, and of the reference view in their place; error of the elevations."""
        with torch.no_grad():
            latents, _, estimated = self.predict_views(batch)
            decoded: Any = self.validation_vae[0].decode(cast(Any, latents / self.scaling_factor))
        images = decoded.sample.clamp(-1, 1) / 2 + 0.5
        copies = batch["image"].repeat_interleave(batch["pose"].shape[1], 0)
        scores = {
            "psnr": psnr(images, batch["target_image"]).mean(),
            "psnr_copy_input": psnr(copies, batch["target_image"]).mean(),
            "elevation_error_deg": (estimated - batch["elevation"]).abs().mean(),
        }
        self.log_dict({f"val/{n}": s for n, s in scores.items()}, prog_bar=True, sync_dist=True, batch_size=len(images))
        self.log("val/samples", float(self.samples_seen), batch_size=len(images))

    def save_pretrained(self, folder: Path) -> None:
        """Write ``folder``, a ``lifting`` component (fp16)."""
        self.lifting.half().save_pretrained(folder)
        self.float()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Kernels and matrices between features, for `Muon`; then tables of positions, gains, biases and the ends."""
        return self.orthogonal({"lifting": self.lifting}, adamw=("position", "head"))

    def optimizer(self) -> torch.optim.Optimizer:
        """`Muon` on the parameter groups."""
        return Muon(self.parameter_groups(), lr=self.learning_rate)
