"""The two diffusion priors: a text-conditioned 2D model and a view-conditioned multi-view model.

Both predict ε for noisy latents z_t at timesteps t, whatever their networks output. In the notation of the guidance:
ε_S(z_t; c) is `TextConditionedPrior.predict_noise`, and ε_S(z_t; ∅) the same for the empty text; ε_Z(z_t; y, T) is
`ViewConditionedPrior.predict_noise` and ε_Z(z_t; ∅) `ViewConditionedPrior.predict_noise_unconditional`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor
from transformers import CLIPTextModel, CLIPVisionModelWithProjection, PreTrainedTokenizerBase

from viewdistill.diffusion.conditioning import CameraProjection, image_tokens, preprocess_for_clip
from viewdistill.diffusion.latents import LatentDiffusionPrior
from viewdistill.diffusion.loading import load_camera_projection, load_component, load_tokenizer, locate
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS
from viewdistill.diffusion.published import Pose
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError

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
        """Load a frozen prior from ``vae``, ``unet``, ``text_encoder``, ``tokenizer`` and ``scheduler``.

        Args:
            folder: With these components, or a name on the hub; see `viewdistill.diffusion.loading.locate`.
            dtype: Precision of the weights.
            device: Where they go.

        Raises:
            ViewDistillError: A component is missing, damaged or made for another; the message says what to do.
        """
        source = locate(folder, TEXT_COMPONENTS)
        prior = cls(
            vae=load_component(AutoencoderKL, source, "vae", dtype),
            unet=load_component(UNet2DConditionModel, source, "unet", dtype),
            text_encoder=load_component(CLIPTextModel, source, "text_encoder", dtype),
            tokenizer=load_tokenizer(source),
            schedule=NoiseSchedule.from_folder(source.folders["scheduler"]),
        )
        context = prior.text_encoder.config.hidden_size
        _require_fit(source.name, prior, prior.latent_shape[0], context, "a text-conditioned prior")
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
    input_polar: float | None = None
    """Polar angle of the input camera from +z, radians, for a prior whose pose holds it; else none."""


class ViewConditionedPrior(LatentDiffusionPrior):
    """Zero-1-to-3, or a miniature of it.

    Args:
        vae: Autoencoder.
        unet: UNet with 8 input channels: noisy latents, then the input image's.
        image_encoder: CLIP vision tower with projection.
        clip_camera_projection: Joins its tokens with the relative pose.
        schedule: Noise levels, and what the UNet's output means.
        pose: What the fourth number of the relative pose is to it.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        unet: UNet2DConditionModel,
        image_encoder: CLIPVisionModelWithProjection,
        clip_camera_projection: CameraProjection,
        schedule: NoiseSchedule,
        pose: Pose = "relative",
    ) -> None:
        super().__init__(vae, unet, schedule)
        self.image_encoder = image_encoder
        self.clip_camera_projection = clip_camera_projection
        self.pose: Pose = pose

    @classmethod
    def from_folder(
        cls, folder: Path, dtype: torch.dtype = torch.float32, device: torch.device = CPU
    ) -> "ViewConditionedPrior":
        """Load a frozen prior: ``vae``, ``unet``, ``image_encoder``, ``clip_camera_projection``, ``scheduler``.

        Args:
            folder: With these components, or a name on the hub; see `viewdistill.diffusion.loading.locate`. The camera
                projection may be called ``cc_projection``.
            dtype: Precision of the weights.
            device: Where they go.

        Raises:
            ViewDistillError: A component is missing, damaged or made for another; the message says what to do.
        """
        source = locate(folder, VIEW_COMPONENTS)
        prior = cls(
            vae=load_component(AutoencoderKL, source, "vae", dtype),
            unet=load_component(UNet2DConditionModel, source, "unet", dtype),
            image_encoder=load_component(CLIPVisionModelWithProjection, source, "image_encoder", dtype),
            clip_camera_projection=load_camera_projection(source, dtype),
            schedule=NoiseSchedule.from_folder(source.folders["scheduler"]),
            pose=source.pose,
        )
        context = prior.clip_camera_projection.proj.out_features
        _require_fit(source.name, prior, 2 * prior.latent_shape[0], context, "a view-conditioned prior")
        prior.freeze()
        return prior.to(device)

    @torch.no_grad()
    def condition(
        self, images: Float[Tensor, "images 3 height width"], elevation_deg: float | None = None
    ) -> ViewCondition:
        """Image tokens and latents of input images.

        Args:
            images: In [0, 1], over white, at the prior's `image_size`.
            elevation_deg: Of the input camera, degrees; only a prior whose pose holds its polar angle asks for it.

        Raises:
            ViewDistillError: The prior asks for the elevation, and it is not given.
        """
        polar = None
        if self.pose == "input_polar":
            if elevation_deg is None:
                raise ViewDistillError(
                    "this view-conditioned prior (Stable-Zero123) has to be told the input's elevation, which is not "
                    "known at this place; use another one here, as zero123-xl"
                )
            polar = math.radians(90 - elevation_deg)
        pixels = preprocess_for_clip(images, self.image_encoder)
        tokens = image_tokens(self.image_encoder, pixels, self.clip_camera_projection.tokens)
        latent = self.encode_image_moments(images).mean / self.scaling_factor
        return ViewCondition(tokens.float(), latent, polar)

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
        if condition.input_polar is not None:
            polar = relative_pose.new_full((batch, 1), condition.input_polar)
            relative_pose = torch.cat([relative_pose[:, :3], polar], 1)
        context = self.clip_camera_projection(tokens, relative_pose).float()
        return context, condition.latent.expand(batch, -1, -1, -1)


def _require_fit(name: str, prior: LatentDiffusionPrior, channels: int, context: int, what: str) -> None:
    """Make sure that the UNet takes what the other components give.

    Raises:
        ViewDistillError: It does not: the folder holds another kind of prior, or parts of two.
    """
    config: Any = prior.unet.config  # diffusers does not type its configurations
    takes = (config.in_channels, config.cross_attention_dim)
    if takes != (channels, context):
        raise ViewDistillError(
            f"{name}: its unet takes {takes[0]} channels and a context of width {takes[1]}, where {what} has "
            f"{channels} and {context}; give {what}"
        )
