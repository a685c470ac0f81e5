"""Tiny priors with random weights, of the real classes."""

import string
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from viewdistill.diffusion.conditioning import CameraProjection, Tokens
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule, PredictionType
from viewdistill.lifting.reference_lifting import ReferenceLifting

WIDTH = 16


def _vae() -> AutoencoderKL:
    return cast(Any, AutoencoderKL)(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=32,
        scaling_factor=0.7,
        mid_block_add_attention=False,
    )


def _unet(in_channels: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
    )


def tiny_tokenizer() -> CLIPTokenizer:
    """One token a letter, padded to eight."""
    special = ["<|startoftext|>", "<|endoftext|>"]
    letters = [letter + end for letter in string.ascii_lowercase for end in ("", "</w>")]
    vocabulary = {token: index for index, token in enumerate([*letters, *special])}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=8)


def text_prior(seed: int = 0, prediction_type: PredictionType = "epsilon") -> TextConditionedPrior:
    """A frozen text-conditioned prior on 8×8 latents of 32×32 images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = tiny_tokenizer()
        config = cast(Any, CLIPTextConfig)(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=32,
            projection_dim=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=8,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        schedule = NoiseSchedule(prediction_type=prediction_type)
        prior = TextConditionedPrior(_vae(), _unet(4), CLIPTextModel(config), tokenizer, schedule)
        prior.freeze()
        return prior


def tiny_lifting() -> ReferenceLifting:
    """A lifting of 8×8 latents, 14 channels in all, none of which is constant."""
    lifting = ReferenceLifting(
        latent_size=8,
        channels=8,
        encoder_width=8,
        encoder_blocks=2,
        token_width=8,
        unprojected_channels=8,
        volume_widths=(8, 8, 8),
        resolution=8,
        samples=6,
    )
    with torch.no_grad():  # residual branches start at zero
        for parameter in lifting.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return lifting


def view_prior(
    seed: int = 1, prediction_type: PredictionType = "epsilon", tokens: Tokens = "all", lifted: bool = False
) -> ViewConditionedPrior:
    """A frozen view-conditioned prior on 8×8 latents of 32×32 images; 16-pixel CLIP input, 5 tokens."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=32,
            projection_dim=12,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=16,
            patch_size=8,
        )
        encoder = CLIPVisionModelWithProjection(config)
        schedule = NoiseSchedule(prediction_type=prediction_type)
        projection = CameraProjection(12, WIDTH, tokens)
        lifting = tiny_lifting() if lifted else None
        channels = 8 + (lifting.out_channels if lifting else 0)
        prior = ViewConditionedPrior(_vae(), _unet(channels), encoder, projection, schedule, lifting=lifting)
        prior.freeze()
        return prior
