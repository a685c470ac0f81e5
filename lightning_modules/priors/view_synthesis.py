"""Miniature view-conditioned prior ("nano-Zero123"), in the role of the paper's Zero-1-to-3."""

import copy
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from lightning_modules.priors.muon import Muon
from lightning_modules.priors.text_to_image import copy_weights, sample_timesteps, stable_diffusion_scheduler
from lightning_modules.priors.trained_prior import TrainedPrior, save_component
from viewdistill.diffusion.conditioning import CameraProjection, drop_conditions, image_tokens, preprocess_for_clip
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.diffusion.samplers import Sampling, sample, view_noise_predictor
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.lifting.reference_lifting import ReferenceLifting
from viewdistill.metrics.images import psnr
from viewdistill.precision import plain_attention


def widen_input(unet: UNet2DConditionModel, in_channels: int) -> UNet2DConditionModel:
    """Return a network with added input channels, whose weights start at zero so that its function is unchanged."""
    old = unet.conv_in
    new = nn.Conv2d(in_channels, old.out_channels, kernel_size=3, padding=1)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, : old.in_channels] = old.weight
    new.bias = old.bias
    unet.conv_in = new
    unet.register_to_config(in_channels=in_channels)
    return unet


class ViewSynthesis(TrainedPrior):
    """Trains a UNet, a vision tower and the camera projection on pairs of views, by Zero-1-to-3's rules.

    The UNet starts from the 2D prior. The input view enters twice, as in Zero-1-to-3: its latent beside the noisy one,
    and its image tokens, each joined with the relative pose, as cross-attention context. This prior adds a third input:
    beside the latent, `ReferenceLifting`'s features of the target view. Classifier-free dropout zeroes tokens and
    latent (with the lifting's features) but never the pose (Liu et al. 2023): this makes the unconditional branch
    biased, and is kept on purpose.

    Args:
        initial_unet: ``unet`` folder of the 2D prior with the initial weights.
        lifting: ``lifting`` folder, trained before and frozen.
        vae: ``vae`` folder of the autoencoder; validation decodes samples with it.
        image_size: Side of the images, pixels.
        vision_width: Width of the vision tower and of its tokens.
        vision_layers: Layers of the vision tower.
        patch_size: Side of the vision tower's patches, pixels.
        emphasis: Share of timesteps drawn from the noisy end only.
        emphasis_from: First timestep of that end.
        learning_rate: Peak rate of `Muon`, for kernels and matrices, and of AdamW, for the rest.
        projection_rate: Factor on the rate of the camera projection (10 in Zero-1-to-3).
        warmup_steps: Steps of linear warm-up.
        total_steps: Steps after which the cosine has reached a twentieth of the peak.
        minutes: Duration of the cosine and of the training, minutes; replaces ``total_steps``.
        initial_folder: Zero-1-to-3 folder with initial weights (``unet``, ``image_encoder``,
            ``clip_camera_projection``), such as ``priors/nano/zero123`` if the checkpoint is lost.
    """

    def __init__(
        self,
        initial_unet: str,
        lifting: str,
        vae: str,
        image_size: int = 64,
        vision_width: int = 128,
        vision_layers: int = 4,
        patch_size: int = 8,
        emphasis: float = 0.6,
        emphasis_from: int = 700,
        learning_rate: float = 8e-4,
        projection_rate: float = 4.0,
        warmup_steps: int = 200,
        total_steps: int = 20_000,
        minutes: float | None = None,
        initial_folder: str | None = None,
    ) -> None:
        super().__init__(learning_rate, warmup_steps, total_steps, weight_decay=1e-2, minutes=minutes)
        self.save_hyperparameters()
        self.emphasis, self.emphasis_from = emphasis, emphasis_from
        self.projection_rate = projection_rate
        unet = UNet2DConditionModel.from_pretrained(initial_unet, torch_dtype=torch.float32)
        unet.set_attn_processor(AttnProcessor())
        # In tuples, to keep them out of this module: not trained, not saved, not averaged.
        self.lifting = (ReferenceLifting.from_pretrained(lifting, torch_dtype=torch.float32).requires_grad_(False),)
        self.validation_vae = (AutoencoderKL.from_pretrained(vae, torch_dtype=torch.float32).eval(),)
        self.unet = widen_input(unet, 8 + self.lifting[0].out_channels).train()
        self.image_encoder = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=vision_width,
                intermediate_size=4 * vision_width,
                projection_dim=vision_width,
                num_hidden_layers=vision_layers,
                num_attention_heads=4,
                image_size=image_size,
                patch_size=patch_size,
            )
        )
        self.image_encoder.set_attn_implementation("eager")
        self.clip_camera_projection = CameraProjection(
            vision_width, cast(Any, self.unet.config).cross_attention_dim, "all"
        )
        if initial_folder:
            components = ("unet", "image_encoder", "clip_camera_projection")
            copy_weights(Path(initial_folder), {name: getattr(self, name) for name in components})
            self.continue_counts(Path(initial_folder))
        self.schedule = NoiseSchedule.from_config(dict(stable_diffusion_scheduler().config))

    def loss(self, batch: dict[str, Tensor], keep_conditions: bool) -> Float[Tensor, " batch"]:
        """Return the v-prediction error per sample.

        Args:
            batch: ``image`` [B, 3, H, W] input views in [0, 1]; ``image_latent`` [B, 4, h, w] their posterior modes,
                unscaled; ``elevation`` [B] of their cameras, degrees; ``pose`` [B, K, 4]; ``latents`` [B K, 4, h, w]
                scaled posterior samples of the target views.
            keep_conditions: Do not drop any condition (validation).
        """
        latents, pose = batch["latents"], batch["pose"]
        lifting: Any = self.lifting[0].to(cast(Any, latents.device))
        tokens = image_tokens(self.image_encoder, preprocess_for_clip(batch["image"], self.image_encoder), "all")
        with torch.no_grad():
            volume = lifting.volume(batch["image_latent"], batch["elevation"], batch["image"])
            lifted = lifting.look(volume, batch["elevation"], pose).flatten(0, 1)
        concatenated = torch.cat([per_view(batch, "image_latent"), lifted], 1)
        tokens = tokens.repeat_interleave(pose.shape[1], 0)
        if not keep_conditions:
            uniform = torch.rand(len(latents), device=latents.device)
            tokens, concatenated = drop_conditions(tokens, concatenated, uniform)
        context = self.clip_camera_projection(tokens, pose.flatten(0, 1))
        timesteps = sample_timesteps(len(latents), self.emphasis, self.emphasis_from, latents.device)
        noise = torch.randn_like(latents)
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        target = self.schedule.velocity(latents, noise, timesteps)
        with plain_attention(latents.device):
            prediction = self.unet(torch.cat([noisy, concatenated], 1), timesteps, context).sample.float()
        return F.mse_loss(prediction, target, reduction="none").mean((1, 2, 3))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Run one step on pairs of views."""
        self.count(len(batch["latents"]))
        loss = self.loss(batch, keep_conditions=False).mean()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["latents"]))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log held-out v-prediction error on fixed noise, and PSNR of samples and, as a baseline, of the input view."""
        batch = unseen_views(batch)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(batch_idx)
            loss = self.loss(batch, keep_conditions=True).mean()
            target = batch["target_image"]
            scores = {
                "psnr": psnr(self.sample(batch), target),
                "psnr_copy_input": psnr(per_view(batch, "image"), target),
            }
        scores = {"loss": loss, **{name: score.mean() for name, score in scores.items()}}
        scores["samples"] = torch.tensor(float(self.samples_seen))
        set_name, rows = ("val", "patterned")[dataloader_idx], len(batch["latents"])
        logged = {f"{set_name}/{name}": score for name, score in scores.items()}
        self.log_dict(logged, prog_bar=True, sync_dist=True, batch_size=rows, add_dataloader_idx=False)

    def sample(self, batch: dict[str, Tensor], guidance_scale: float = 2.0) -> Float[Tensor, "batch 3 height width"]:
        """Sample novel views by 20 DDIM steps: fewer than in the final evaluation, enough to monitor training."""
        prior = ViewConditionedPrior(
            self.validation_vae[0],
            self.unet,
            self.image_encoder,
            self.clip_camera_projection,
            self.schedule,
            lifting=self.lifting[0],
        )
        condition = prior.condition(per_view(batch, "image"), per_view(batch, "elevation"))
        pose = batch["pose"].flatten(0, 1)
        predict = view_noise_predictor(prior, condition, pose, guidance_scale)
        noise = torch.randn((len(pose), *prior.latent_shape)).to(pose.device)
        latents = sample(predict, self.schedule, noise, Sampling(steps=20))
        return prior.decode_latents(latents).float().clamp(0, 1)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return groups for `Muon` and AdamW; the camera projection learns faster, as in Zero-1-to-3."""
        projection = {
            "params": list(self.clip_camera_projection.parameters()),
            "weight_decay": 0.0,
            "lr": self.learning_rate * self.projection_rate,
        }
        networks = {"unet": self.unet, "image_encoder": self.image_encoder}
        return [*self.orthogonal(networks, adamw=("embedding", "conv_in", "conv_out")), projection]

    def optimizer(self) -> torch.optim.Optimizer:
        """Return `Muon` on the parameter groups."""
        return Muon(self.parameter_groups(), lr=self.learning_rate)

    def save_pretrained(self, folder: Path) -> None:
        """Write ``unet``, ``image_encoder``, ``clip_camera_projection`` and ``scheduler`` into ``folder`` (fp16)."""
        save_component(self.unet, folder / "unet")
        save_component(self.image_encoder, folder / "image_encoder")
        copy.deepcopy(self.clip_camera_projection).half().save_pretrained(folder / "clip_camera_projection")
        stable_diffusion_scheduler().save_pretrained(folder / "scheduler")


def unseen_views(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a held-out batch without each reference's first target view, which is the reference itself."""
    references, views = batch["pose"].shape[:2]

    def rest(flat: Tensor) -> Tensor:
        return flat.unflatten(0, (references, views))[:, 1:].flatten(0, 1)

    flat = {name: rest(batch[name]) for name in ("latents", "target_image", "opacity")}
    return {**batch, **flat, "pose": batch["pose"][:, 1:]}


def per_view(batch: dict[str, Tensor], name: str) -> Tensor:
    """Repeat a batch's entries per input for each of its target views."""
    return batch[name].repeat_interleave(batch["pose"].shape[1], 0)
