"""Lifting of the reference view, an addition of "nano-Zero123" to Zero-1-to-3; trained before its UNet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.priors.muon import Muon
from lightning_modules.priors.text_to_image import copy_weights
from lightning_modules.priors.trained_prior import TrainedPrior, save_component
from viewdistill.lifting.averaging import LiftedReference
from viewdistill.lifting.reference_lifting import ELEVATION_SPREAD, ReferenceLifting
from viewdistill.lifting.supervision import occupancy_errors
from viewdistill.lifting.widening import grow
from viewdistill.metrics.images import psnr
from viewdistill.objects.occupancy import HALF_SIDE
from viewdistill.precision import plain_attention


class Lifting(TrainedPrior):
    """Trains a `ReferenceLifting` as a feed-forward model: one reference view, several others of the same object.

    It learns the mean of the target views' latents and pixels, their silhouettes, and the elevation of the reference.
    The mean is blurred in parts that the reference does not show; the diffusion model fills these in.

    Args:
        vae: ``vae`` folder of the autoencoder; validation decodes with it.
        latent_size: Side of its latents.
        channels: Channels of the volume.
        volume_widths: Channels of the 3D UNet at full, half and quarter resolution.
        encoder_blocks: Attention blocks over the reference's tokens.
        volume_blocks: Attention blocks at quarter resolution.
        groups: Groups of the 3D UNet's normalisations.
        bottleneck: Width and number of further attention blocks.
        picture_size: Side of the views, pixels.
        pixel_weight: Weight of the pixels' squared error, relative to the latents'; half of it applies to the
            uncorrected render.
        silhouette_weight: Weight of the silhouettes' squared error.
        occupancy_weight: Weight of the cross-entropies between densities and the objects' exact geometry, which
            supervise every cell directly.
        elevation_weight: Weight of the elevation's squared error, in standard deviations.
        learning_rate: Peak rate of `Muon`, for kernels and matrices, and of AdamW, for the rest.
        warmup_steps: Steps of linear warm-up.
        total_steps: Steps after which the cosine has reached a twentieth of the peak.
        minutes: Duration of the cosine and of the training, minutes; replaces ``total_steps``.
        initial_folder: Component with initial weights, such as ``priors/nano/zero123/lifting``; a smaller one is grown.
    """

    def __init__(
        self,
        vae: str,
        latent_size: int = 16,
        channels: int = 24,
        volume_widths: Sequence[int] = (48, 96, 96),
        encoder_blocks: int = 4,
        volume_blocks: int = 6,
        groups: int = 16,
        bottleneck: Sequence[int] = (256, 6),
        picture_size: int = 64,
        pixel_weight: float = 8.0,
        silhouette_weight: float = 0.5,
        occupancy_weight: float = 1.0,
        elevation_weight: float = 0.02,
        learning_rate: float = 1.5e-3,
        warmup_steps: int = 100,
        total_steps: int = 20_000,
        minutes: float | None = None,
        initial_folder: str | None = None,
    ) -> None:
        super().__init__(learning_rate, warmup_steps, total_steps, weight_decay=1e-2, minutes=minutes)
        self.save_hyperparameters()
        self.pixel_weight = pixel_weight
        self.silhouette_weight, self.elevation_weight = silhouette_weight, elevation_weight
        self.occupancy_weight = occupancy_weight
        self.lifting = ReferenceLifting(
            latent_size=latent_size,
            channels=channels,
            encoder_blocks=encoder_blocks,
            volume_widths=volume_widths,
            volume_blocks=volume_blocks,
            groups=groups,
            bottleneck=bottleneck,
            picture_size=picture_size,
        ).train()
        if initial_folder:
            trained = ReferenceLifting.from_pretrained(initial_folder, torch_dtype=torch.float32)
            if [*trained.state_dict()] == [*self.lifting.state_dict()]:
                copy_weights(Path(initial_folder).parent, {Path(initial_folder).name: self.lifting})
            else:
                grow(trained, self.lifting)
            self.continue_counts(Path(initial_folder))
        # In a tuple, to keep it out of this module: not trained, not saved, not averaged.
        self.validation_vae = (AutoencoderKL.from_pretrained(vae, torch_dtype=torch.float32).eval(),)
        self.scaling_factor = float(self.validation_vae[0].config["scaling_factor"])

    def predict_views(
        self, batch: dict[str, Tensor]
    ) -> tuple[
        LiftedReference,
        Float[Tensor, "views out h w"],
        Float[Tensor, "views 7 height width"],
        Float[Tensor, " batch"],
    ]:
        """Return volumes, features and pictures of all target views, and the references' estimated elevations."""
        with plain_attention(batch["image"].device):
            lifted, estimated = self.lifting.volume_and_elevation(
                batch["image_latent"], batch["elevation"], batch["image"]
            )
        features, pictures = self.lifting.look_and_render(lifted, batch["elevation"], batch["pose"])
        assert pictures is not None
        return lifted, features.flatten(0, 1), pictures.flatten(0, 1), estimated

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted terms of the loss; the batch is that of `training_step`."""
        references, views = batch["pose"].shape[:2]
        lifted, features, pictures, estimated = self.predict_views(batch)
        filled = occupancy_errors(lifted, self.lifting.radius, batch["azimuth"], batch["occupancy"], HALF_SIDE)
        means = self.lifting.mean_view(features).unflatten(0, (references, views))
        means = means[:, : len(batch["latents"]) // references].flatten(0, 1)
        small = F.adaptive_avg_pool2d(batch["opacity"], features.shape[-1])
        half = 0.5 * self.pixel_weight
        return {
            "latents": F.mse_loss(means.float(), batch["latents"]),
            "pixels": half * F.mse_loss(pictures[:, :3], batch["target_image"]),
            "render": half * F.mse_loss(pictures[:, 3:6], batch["target_image"]),
            "silhouettes": self.silhouette_weight
            * (F.mse_loss(self.lifting.opacity(features), small) + F.mse_loss(pictures[:, 6:], batch["opacity"])),
            "occupancy": self.occupancy_weight * torch.stack(filled).mean(),
            "elevation": self.elevation_weight
            * F.mse_loss(estimated / ELEVATION_SPREAD, batch["elevation"] / ELEVATION_SPREAD),
        }

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Run one step on groups of views.

        Args:
            batch: Of `datamodules.objects.rendered_objects.ViewGroups` with pictures; the first target view is the
                reference.
            batch_idx: Not used.
        """
        views = len(batch["target_image"])
        self.count(views)
        losses = self.losses(batch)
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, batch_size=views)
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log PSNR of the mean views, decoded and rendered, for unseen views and the reference; and of its copies."""
        references, views = batch["pose"].shape[:2]
        with torch.no_grad():
            _, features, pictures, estimated = self.predict_views(batch)
            vae: Any = self.validation_vae[0].to(cast(Any, features.device))
            decoded: Any = vae.decode(self.lifting.mean_view(features).float() / self.scaling_factor)
        made = {"decoded": decoded.sample / 2 + 0.5, "picture": pictures[:, :3], "render": pictures[:, 3:6]}
        made["mixed"] = 0.5 * (made["decoded"] + made["picture"])
        made["copy"] = batch["image"].repeat_interleave(views, 0)
        name = ("test", "patterned")[dataloader_idx]
        scores = {
            f"{name}/samples": torch.tensor(float(self.samples_seen)),
            f"{name}/elevation_error_deg": (estimated - batch["elevation"]).abs().mean(),
        }
        for kind, images in made.items():
            each = psnr(images.clamp(0, 1), batch["target_image"]).unflatten(0, (references, views))
            scores[f"{name}/{kind}"], scores[f"{name}/{kind}_input"] = each[:, 1:].mean(), each[:, 0].mean()
        self.log_dict(scores, sync_dist=True, batch_size=references, add_dataloader_idx=False)

    def save_pretrained(self, folder: Path) -> None:
        """Write ``folder``, a ``lifting`` component (fp16)."""
        save_component(self.lifting, folder)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return kernels and matrices between features, for `Muon`, then tables, gains, biases and the ends."""
        return self.orthogonal({"lifting": self.lifting}, adamw=("position", "head"))

    def optimizer(self) -> torch.optim.Optimizer:
        """Return `Muon` on the parameter groups."""
        return Muon(self.parameter_groups(), lr=self.learning_rate)
