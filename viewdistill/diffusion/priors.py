"""The two diffusion priors: a text-conditioned 2D model and a view-conditioned multi-view model.

Both predict ε for noisy latents z_t at timesteps t, whatever their networks output. In the notation of the guidance:
ε_S(z_t; c) is `TextConditionedPrior.predict_noise`, and ε_S(z_t; ∅) the same for the empty text; ε_Z(z_t; y, T) is
`ViewConditionedPrior.predict_noise` and ε_Z(z_t; ∅) `ViewConditionedPrior.predict_noise_unconditional`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor
from transformers import CLIPTextModel, CLIPVisionModelWithProjection, PreTrainedTokenizerBase

from viewdistill.diffusion.conditioning import CameraProjection, image_tokens, preprocess_for_clip
from viewdistill.diffusion.latents import LatentDiffusionPrior
from viewdistill.diffusion.loading import component_folder, load_component, load_tokenizer
from viewdistill.diffusion.schedule import NoiseSchedule

CPU = torch.device("cpu")


class TextConditionedPrior(LatentDiffusionPrior):
    """Stable Diffusion, or a miniature of it.

    Args:
        vae: Autoencoder.
        unet: UNet with 4 input channels, conditioned on text embeddings.
        text_encoder: CLIP text tower; its last hidden state is the condition.
        tokenizer: Its tokenizer; texts are padded to its ``model_max_length``.
        schedule: Noise levels, and what the UNet's output means.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        unet: UNet2DConditionModel,
        text_encoder: CLIPTextModel,
        tokenizer: PreTrainedTokenizerBase,
        schedule: NoiseSchedule,
    ) -> None:
        super().__init__(vae, unet, schedule)
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self._embeddings: dict[str, Tensor] = {}

    @classmethod
    def from_folder(
        cls, folder: Path, dtype: torch.dtype = torch.float32, device: torch.device = CPU
    ) -> "TextConditionedPrior":
        """Load a frozen prior from ``vae``, ``unet``, ``text_encoder``, ``tokenizer`` and ``scheduler`` in ``folder``.

        Raises:
            ViewDistillError: A component is missing or damaged; the message names it and what to do.
        """
        prior = cls(
            vae=load_component(AutoencoderKL, folder, "vae", dtype),
            unet=load_component(UNet2DConditionModel, folder, "unet", dtype),
            text_encoder=load_component(CLIPTextModel, folder, "text_encoder", dtype),
            tokenizer=load_tokenizer(folder),
            schedule=NoiseSchedule.from_folder(component_folder(folder, "scheduler")),
        )
        prior.freeze()
        return prior.to(device)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "batch length dim"]:
        """Text embeddings, each text encoded once in the life of this object."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._embeddings]:
            encoded = self.tokenizer(new, padding="max_length", truncation=True, return_tensors="pt")
            # Like Stable Diffusion, without a mask: padding is part of the embedding.
            output = self.text_encoder(input_ids=cast(Tensor, encoded["input_ids"]).to(self.device))
            self._embeddings.update(zip(new, output.last_hidden_state.float(), strict=True))
        return torch.stack([self._embeddings[text] for text in texts]).to(self.device)

    def predict_noise(
        self,
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        text_embeddings: Float[Tensor, "texts length dim"],
    ) -> Float[Tensor, "batch c h w"]:
        """ε_S(z_t; c), without gradient.

        Args:
            noisy: z_t.
            timesteps: t.
            text_embeddings: From `encode_text`; one per sample, or one for all.
        """
        return self._epsilon(noisy, timesteps, text_embeddings.expand(len(noisy), -1, -1))


@dataclass(frozen=True)
class ViewCondition:
    """What a view-conditioned prior keeps of its input image; computed once, by `ViewConditionedPrior.condition`."""

    tokens: Float[Tensor, "images tokens dim"]
    """Image tokens, before they are joined with a pose."""
    latent: Float[Tensor, "images c h w"]
    """Posterior mode of the image's latents, *unscaled* (Zero-1-to-3's convention)."""


class ViewConditionedPrior(LatentDiffusionPrior):
    """Zero-1-to-3, or a miniature of it.

    Args:
        vae: Autoencoder.
        unet: UNet with 8 input channels: noisy latents, then the input image's.
        image_encoder: CLIP vision tower with projection.
        clip_camera_projection: Joins its tokens with the relative pose.
        schedule: Noise levels, and what the UNet's output means.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        unet: UNet2DConditionModel,
        image_encoder: CLIPVisionModelWithProjection,
        clip_camera_projection: CameraProjection,
        schedule: NoiseSchedule,
    ) -> None:
        super().__init__(vae, unet, schedule)
        self.image_encoder = image_encoder
        self.clip_camera_projection = clip_camera_projection

    @classmethod
    def from_folder(
        cls, folder: Path, dtype: torch.dtype = torch.float32, device: torch.device = CPU
    ) -> "ViewConditionedPrior":
        """Load a frozen prior: ``vae``, ``unet``, ``image_encoder``, ``clip_camera_projection``, ``scheduler``.

        Raises:
            ViewDistillError: A component is missing or damaged; the message names it and what to do.
        """
        projection = CameraProjection.from_pretrained(component_folder(folder, "clip_camera_projection"))
        prior = cls(
            vae=load_component(AutoencoderKL, folder, "vae", dtype),
            unet=load_component(UNet2DConditionModel, folder, "unet", dtype),
            image_encoder=load_component(CLIPVisionModelWithProjection, folder, "image_encoder", dtype),
            clip_camera_projection=projection.to(dtype=dtype),
            schedule=NoiseSchedule.from_folder(component_folder(folder, "scheduler")),
        )
        prior.freeze()
        return prior.to(device)

    @torch.no_grad()
    def condition(self, images: Float[Tensor, "images 3 height width"]) -> ViewCondition:
        """Image tokens and latents of input images in [0, 1], over white, at the prior's `image_size`."""
        pixels = preprocess_for_clip(images, self.image_encoder)
        tokens = image_tokens(self.image_encoder, pixels, self.clip_camera_projection.tokens)
        latent = self.encode_image_moments(images).mean / self.scaling_factor
        return ViewCondition(tokens.float(), latent)

    def predict_noise(
        self,
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        condition: ViewCondition,
        relative_pose: Float[Tensor, "batch 4"],
    ) -> Float[Tensor, "batch c h w"]:
        """ε_Z(z_t; y, T), without gradient.

        Args:
            noisy: z_t of the target views.
            timesteps: t.
            condition: Of the input image y; one per sample, or one for all.
            relative_pose: T of each target view.
        """
        context, image_latent = self._context(condition, relative_pose)
        return self._epsilon(noisy, timesteps, context, image_latent)

    def predict_noise_unconditional(
        self, noisy: Float[Tensor, "batch c h w"], timesteps: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch c h w"]:
        """ε_Z(z_t; ∅), without gradient: a zero token after the projection and a zero image latent."""
        context = noisy.new_zeros(len(noisy), 1, self.clip_camera_projection.proj.out_features)
        return self._epsilon(noisy, timesteps, context, torch.zeros_like(noisy))

    def predict_noise_pair(
        self,
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        condition: ViewCondition,
        relative_pose: Float[Tensor, "batch 4"],
    ) -> tuple[Float[Tensor, "batch c h w"], Float[Tensor, "batch c h w"]]:
        """ε_Z(z_t; y, T) and ε_Z(z_t; ∅) in one evaluation of the UNet; arguments as in `predict_noise`."""
        context, image_latent = self._context(condition, relative_pose)
        both = self._epsilon(
            noisy.repeat(2, 1, 1, 1),
            timesteps.repeat(2),
            torch.cat([context, torch.zeros_like(context)]),
            torch.cat([image_latent, torch.zeros_like(image_latent)]),
        )
        conditional, unconditional = both.chunk(2)
        return conditional, unconditional

    @torch.no_grad()
    def _context(self, condition: ViewCondition, relative_pose: Tensor) -> tuple[Tensor, Tensor]:
        batch = len(relative_pose)
        tokens = condition.tokens.expand(batch, -1, -1).to(self.clip_camera_projection.proj.weight.dtype)
        context = self.clip_camera_projection(tokens, relative_pose).float()
        return context, condition.latent.expand(batch, -1, -1, -1)
