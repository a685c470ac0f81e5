"""The two diffusion priors: a text-conditioned 2D model and a view-conditioned multi-view model.

Both predict ε for noisy latents z_t at timesteps t, whatever their networks output. In the notation of the guidance:
ε_S(z_t; c) is `TextConditionedPrior.predict_noise`, and ε_S(z_t; ∅) the same for the empty text; ε_Z(z_t; y, T) is
`ViewConditionedPrior.predict_noise` and ε_Z(z_t; ∅) `ViewConditionedPrior.predict_noise_unconditional`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPVisionModelWithProjection, PreTrainedTokenizerBase

from viewdistill.diffusion.conditioning import CameraProjection, image_tokens, preprocess_for_clip
from viewdistill.diffusion.latents import LatentDiffusionPrior, require_fit
from viewdistill.diffusion.loading import load_camera_projection, load_component, load_tokenizer, locate
from viewdistill.diffusion.prior_files import TEXT_COMPONENTS, VIEW_COMPONENTS
from viewdistill.diffusion.published import Pose
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError
from viewdistill.lifting.averaging import LiftedReference
from viewdistill.lifting.reference_lifting import ReferenceLifting
from viewdistill.pictures import resize
from viewdistill.references import FurtherReference

CPU = torch.device("cpu")


class TextConditionedPrior(LatentDiffusionPrior):
    """Stable Diffusion, or a miniature of it.

    Args:
        vae: Autoencoder.
        unet: UNet with 4 input channels, conditioned on text embeddings.
        text_encoder: CLIP text tower; its last hidden state is the condition.
        tokenizer: Its tokenizer; texts are padded to its ``model_max_length``.
        schedule: Noise levels, and the meaning of the UNet's output.
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
            device: Device of the weights.

        Raises:
            ViewDistillError: A component is missing, damaged, or does not fit the others; the message says what to do.
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
        require_fit(source.name, prior, prior.latent_shape[0], context, "a text-conditioned prior")
        prior.freeze()
        return prior.to(device)

    def large_networks(self) -> list[nn.Module]:
        """Return the UNet and the text tower."""
        return [*super().large_networks(), self.text_encoder]

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "batch length dim"]:
        """Return text embeddings; each text is encoded once and cached."""
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
        """Predict ε_S(z_t; c), without gradient.

        Args:
            noisy: z_t.
            timesteps: t.
            text_embeddings: From `encode_text`; one per sample, or one for all.
        """
        return self._epsilon(noisy, timesteps, text_embeddings.expand(len(noisy), -1, -1))


@dataclass(frozen=True)
class ViewCondition:
    """Encoded input image of a view-conditioned prior; computed once, by `ViewConditionedPrior.condition`."""

    tokens: Float[Tensor, "images tokens dim"]
    """Image tokens, before they are joined with a pose."""
    latent: Float[Tensor, "images c h w"]
    """Posterior mode of the image's latents, *unscaled* (Zero-1-to-3's convention)."""
    input_polar: float | None = None
    """Polar angle of the input camera from +z, radians, for a prior whose pose holds it; else none."""
    lifted: LiftedReference | None = None
    """The input image as a volume, for a prior that has a lifting; else none."""
    elevation: Float[Tensor, " images"] | None = None
    """Elevation of the input cameras, degrees, where there is a volume."""


class ViewConditionedPrior(LatentDiffusionPrior):
    """Zero-1-to-3, or a miniature of it.

    Args:
        vae: Autoencoder.
        unet: UNet whose input channels are the noisy latents, the input image's, and those of the lifting, if any.
        image_encoder: CLIP vision tower with projection.
        clip_camera_projection: Joins its tokens with the relative pose.
        schedule: Noise levels, and the meaning of the UNet's output.
        pose: Meaning of the fourth number of the relative pose.
        lifting: Aligns the input image with the wanted view; the published priors have none.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        unet: UNet2DConditionModel,
        image_encoder: CLIPVisionModelWithProjection,
        clip_camera_projection: CameraProjection,
        schedule: NoiseSchedule,
        pose: Pose = "relative",
        lifting: ReferenceLifting | None = None,
    ) -> None:
        super().__init__(vae, unet, schedule)
        self.image_encoder = image_encoder
        self.clip_camera_projection = clip_camera_projection
        self.pose: Pose = pose
        self.lifting = lifting

    @classmethod
    def from_folder(
        cls, folder: Path, dtype: torch.dtype = torch.float32, device: torch.device = CPU
    ) -> "ViewConditionedPrior":
        """Load a frozen prior: ``vae``, ``unet``, ``image_encoder``, ``clip_camera_projection``, ``scheduler``.

        A ``lifting`` is loaded where there is one.

        Args:
            folder: With these components, or a name on the hub; see `viewdistill.diffusion.loading.locate`. The camera
                projection may be called ``cc_projection``.
            dtype: Precision of the weights.
            device: Device of the weights.

        Raises:
            ViewDistillError: A component is missing, damaged, or does not fit the others; the message says what to do.
        """
        source = locate(folder, VIEW_COMPONENTS)
        prior = cls(
            vae=load_component(AutoencoderKL, source, "vae", dtype),
            unet=load_component(UNet2DConditionModel, source, "unet", dtype),
            image_encoder=load_component(CLIPVisionModelWithProjection, source, "image_encoder", dtype),
            clip_camera_projection=load_camera_projection(source, dtype),
            schedule=NoiseSchedule.from_folder(source.folders["scheduler"]),
            pose=source.pose,
            lifting=load_component(ReferenceLifting, source, "lifting", dtype) if "lifting" in source.folders else None,
        )
        context = prior.clip_camera_projection.proj.out_features
        channels = 2 * prior.latent_shape[0] + (prior.lifting.out_channels if prior.lifting else 0)
        require_fit(source.name, prior, channels, context, "a view-conditioned prior")
        prior.freeze()
        return prior.to(device)

    def large_networks(self) -> list[nn.Module]:
        """Return the UNet and the vision tower."""
        return [*super().large_networks(), self.image_encoder]

    @torch.no_grad()
    def condition(
        self,
        images: Float[Tensor, "images 3 height width"],
        elevation_deg: float | Float[Tensor, " images"] | None = None,
        further: Sequence[FurtherReference] = (),
    ) -> ViewCondition:
        """Encode input images: image tokens, latents, and the volume of a lifting, if any.

        Args:
            images: In [0, 1], over white, at the prior's `image_size`.
            elevation_deg: Of the input cameras, degrees. A prior whose pose holds the polar angle asks for it (one for
                all images); a lifting estimates it where it is not given; others do not use it.
            further: Pictures of the same object beside a single input image. A lifting averages them; a prior without
                one has no place for them, and looks at the input image alone.

        Raises:
            ViewDistillError: The prior needs the elevation and none is given.
        """
        polar = None
        if self.pose == "input_polar":
            if not isinstance(elevation_deg, float):
                raise ViewDistillError(
                    "this view-conditioned prior (Stable-Zero123) needs the input's elevation, which is not "
                    "known here; use another prior, such as zero123-xl"
                )
            polar = math.radians(90 - elevation_deg)
        pixels = preprocess_for_clip(images, self.image_encoder)
        tokens = image_tokens(self.image_encoder, pixels, self.clip_camera_projection.tokens)
        latent = self.encode_image_moments(images).mean / self.scaling_factor
        if self.lifting is None:
            return ViewCondition(tokens.float(), latent, polar)
        given = latent.to(self.lifting.dtype)
        elevation = (
            self.lifting.estimate_elevation(given)
            if elevation_deg is None
            else torch.as_tensor(elevation_deg, dtype=torch.float32).to(given.device).expand(len(images))
        )
        lifted = self.lifting.volume(given, elevation, images)
        if further:
            lifted = self._averaged(self.lifting, lifted, elevation, further)
        return ViewCondition(tokens.float(), latent, polar, lifted, elevation)

    def _averaged(
        self,
        lifting: ReferenceLifting,
        lifted: LiftedReference,
        elevation: Float[Tensor, "1"],
        further: Sequence[FurtherReference],
    ) -> LiftedReference:
        """The volume of the input image, averaged with those of further pictures."""
        images = resize(torch.cat([view.image for view in further]).to(elevation.device), self.image_size)
        latents = (self.encode_image_moments(images).mean / self.scaling_factor).to(lifting.dtype)
        elevations = elevation.new_tensor([view.elevation_deg for view in further])
        azimuths = elevation.new_tensor([0.0, *(view.azimuth_deg for view in further)])
        others = [
            lifting.volume(latents[i : i + 1], elevations[i : i + 1], images[i : i + 1]) for i in range(len(further))
        ]
        return lifting.averaged([lifted, *others], azimuths, torch.cat([elevation, elevations]))

    def predict_noise(
        self,
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        condition: ViewCondition,
        relative_pose: Float[Tensor, "batch 4"],
    ) -> Float[Tensor, "batch c h w"]:
        """Predict ε_Z(z_t; y, T), without gradient.

        Args:
            noisy: z_t of the target views.
            timesteps: t.
            condition: Of the input image y; one per sample, or one for all.
            relative_pose: T of each target view.
        """
        context, concatenated = self._context(condition, relative_pose)
        return self._epsilon(noisy, timesteps, context, concatenated)

    def predict_noise_unconditional(
        self, noisy: Float[Tensor, "batch c h w"], timesteps: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch c h w"]:
        """Predict ε_Z(z_t; ∅), without gradient: a zero token after the projection, and zeros for the input image."""
        context = noisy.new_zeros(len(noisy), 1, self.clip_camera_projection.proj.out_features)
        channels = 2 * noisy.shape[1] + (self.lifting.out_channels if self.lifting else 0)
        nothing = noisy.new_zeros(len(noisy), channels - noisy.shape[1], *noisy.shape[2:])
        return self._epsilon(noisy, timesteps, context, nothing)

    def predict_noise_pair(
        self,
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
        condition: ViewCondition,
        relative_pose: Float[Tensor, "batch 4"],
    ) -> tuple[Float[Tensor, "batch c h w"], Float[Tensor, "batch c h w"]]:
        """Predict ε_Z(z_t; y, T) and ε_Z(z_t; ∅) in one evaluation of the UNet; arguments as in `predict_noise`."""
        context, concatenated = self._context(condition, relative_pose)
        both = self._epsilon(
            noisy.repeat(2, 1, 1, 1),
            timesteps.repeat(2),
            torch.cat([context, torch.zeros_like(context)]),
            torch.cat([concatenated, torch.zeros_like(concatenated)]),
        )
        conditional, unconditional = both.chunk(2)
        return conditional, unconditional

    @torch.no_grad()
    def _context(self, condition: ViewCondition, relative_pose: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-attention context, and the latents to concatenate with the noisy ones."""
        batch = len(relative_pose)
        concatenated = condition.latent.expand(batch, -1, -1, -1)
        if self.lifting is not None and condition.lifted is not None and condition.elevation is not None:
            images = len(condition.elevation)
            poses = relative_pose.unflatten(0, (images, batch // images))
            lifted = self.lifting.look(condition.lifted, condition.elevation, poses).flatten(0, 1)
            concatenated = torch.cat([concatenated, lifted.float()], 1)
        tokens = condition.tokens.expand(batch, -1, -1).to(self.clip_camera_projection.proj.weight.dtype)
        if condition.input_polar is not None:
            polar = relative_pose.new_full((batch, 1), condition.input_polar)
            relative_pose = torch.cat([relative_pose[:, :3], polar], 1)
        context = self.clip_camera_projection(tokens, relative_pose).float()
        return context, concatenated
