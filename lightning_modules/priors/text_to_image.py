"""Miniature text-conditioned 2D prior ("nano-SD"), in the role of the paper's Stable Diffusion."""

from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from datamodules.objects.captions import load_tokenizer
from lightning_modules.priors.muon import Muon
from lightning_modules.priors.trained_prior import TrainedPrior, save_component
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.precision import plain_attention


def stable_diffusion_scheduler() -> DDIMScheduler:
    """Return Stable Diffusion's noise schedule with v-prediction, for the prior's scheduler configuration."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def nano_unet(in_channels: int, block_out_channels: list[int], latent_size: int, context: int) -> UNet2DConditionModel:
    """Build a small Stable-Diffusion UNet: no attention at the finest resolution, one resnet per block, four heads."""
    unet = UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=tuple(block_out_channels),
        layers_per_block=1,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (len(block_out_channels) - 1),
        up_block_types=("CrossAttnUpBlock2D",) * (len(block_out_channels) - 1) + ("UpBlock2D",),
        cross_attention_dim=context,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=16,
    )
    # Fused attention has a slow backward pass on CPUs at 64 tokens; the plain form computes the same.
    unet.set_attn_processor(AttnProcessor())
    return unet


def sample_timesteps(
    count: int, emphasis: float, emphasis_from: int, device: torch.device, total: int = 1000
) -> Int[Tensor, " count"]:
    """Draw training timesteps: uniform on [0, total), but a share ``emphasis`` uniform on [emphasis_from, total).

    The condition determines the image at high noise only, which a uniform draw samples rarely.
    """
    uniform = torch.rand(count, device=device)
    lowest = torch.where(torch.rand(count, device=device) < emphasis, emphasis_from / total, 0.0)
    return ((lowest + uniform * (1 - lowest)) * total).long().clamp_max(total - 1)


def copy_weights(folder: Path, components: dict[str, nn.Module]) -> None:
    """Load the saved weights of a prior's components into modules of the same shape.

    Raises:
        RuntimeError: Names or shapes differ.
    """
    for name, module in components.items():
        files = sorted((folder / name).glob("*.safetensors"))
        module.load_state_dict({k: v.float() for file in files for k, v in load_file(file).items()})


class TextToImage(TrainedPrior):
    """Trains a UNet and a small CLIP text tower together on captioned latents, with v-prediction.

    Args:
        tokenizer_folder: Tokenizer of the captions, written with the data set.
        block_out_channels: UNet channels per resolution, finest first.
        latent_size: Side of the latent grid.
        text_width: Width of the text tower, and of the UNet's cross-attention context.
        text_layers: Layers of the text tower.
        empty_caption: Share of captions replaced by the empty string.
        emphasis: Share of timesteps drawn from the noisy end only.
        emphasis_from: First timestep of that end.
        learning_rate: Peak rate of `Muon`, for kernels and matrices, and of AdamW, for the rest.
        warmup_steps: Steps of linear warm-up.
        total_steps: Steps after which the cosine has reached a twentieth of the peak.
        minutes: Duration of the cosine and of the training, minutes; replaces ``total_steps``.
        initial_folder: Stable-Diffusion folder with initial weights (``unet`` and ``text_encoder``), such as
            ``priors/nano/stable-diffusion`` if the checkpoint is lost; new weights when not given.
    """

    def __init__(
        self,
        tokenizer_folder: str,
        block_out_channels: list[int],
        latent_size: int = 16,
        text_width: int = 128,
        text_layers: int = 3,
        empty_caption: float = 0.3,
        emphasis: float = 0.4,
        emphasis_from: int = 300,
        learning_rate: float = 8e-4,
        warmup_steps: int = 200,
        total_steps: int = 20_000,
        minutes: float | None = None,
        initial_folder: str | None = None,
    ) -> None:
        super().__init__(learning_rate, warmup_steps, total_steps, weight_decay=1e-2, minutes=minutes)
        self.save_hyperparameters()
        self.empty_caption = empty_caption
        self.emphasis, self.emphasis_from = emphasis, emphasis_from
        self.tokenizer: CLIPTokenizer = load_tokenizer(Path(tokenizer_folder))
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=text_width,
                intermediate_size=4 * text_width,
                projection_dim=text_width,
                num_hidden_layers=text_layers,
                num_attention_heads=4,
                max_position_embeddings=self.tokenizer.model_max_length,
                bos_token_id=cast(int, self.tokenizer.bos_token_id),
                eos_token_id=cast(int, self.tokenizer.eos_token_id),
                pad_token_id=cast(int, self.tokenizer.pad_token_id),
            )
        )
        self.unet = nano_unet(4, block_out_channels, latent_size, text_width)
        if initial_folder:
            copy_weights(Path(initial_folder), {"unet": self.unet, "text_encoder": self.text_encoder})
            self.continue_counts(Path(initial_folder))
        self.schedule = NoiseSchedule.from_config(dict(stable_diffusion_scheduler().config))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return kernels and matrices between features, for `Muon`, then embeddings, gains, biases and the ends."""
        ends = ("embedding.weight", "conv_in", "conv_out")
        return self.orthogonal({"unet": self.unet, "text_encoder": self.text_encoder}, adamw=ends)

    def optimizer(self) -> torch.optim.Optimizer:
        """Return `Muon` on the parameter groups."""
        return Muon(self.parameter_groups(), lr=self.learning_rate)

    def encode_captions(self, captions: list[str]) -> Float[Tensor, "batch length width"]:
        """Return text embeddings of captions, padded to the tokenizer's length as in Stable Diffusion."""
        tokens = self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        return self.text_encoder(tokens.input_ids.to(self.device)).last_hidden_state

    def loss(self, latents: Float[Tensor, "batch 4 h w"], captions: list[str]) -> Tensor:
        """Return the v-prediction error per sample [batch], at newly drawn timesteps."""
        timesteps = sample_timesteps(len(latents), self.emphasis, self.emphasis_from, latents.device)
        noise = torch.randn_like(latents)
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        target = self.schedule.velocity(latents, noise, timesteps)
        with plain_attention(latents.device):
            prediction = self.unet(noisy, timesteps, self.encode_captions(captions)).sample.float()
        return F.mse_loss(prediction, target, reduction="none").mean((1, 2, 3))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Run one step on scaled latents and captions; random captions are replaced by the empty string."""
        self.count(len(batch["latents"]))
        dropped = torch.rand(len(batch["captions"])) < self.empty_caption
        captions = ["" if drop else text for drop, text in zip(dropped, batch["captions"], strict=True)]
        loss = self.loss(batch["latents"], captions).mean()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["latents"]))
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the held-out v-prediction error, with captions and without, on the same noise."""
        for name, captions in (("captioned", batch["captions"]), ("empty", [""] * len(batch["captions"]))):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(batch_idx)
                loss = self.loss(batch["latents"], captions).mean()
            self.log(f"val/loss_{name}", loss, prog_bar=True, sync_dist=True, batch_size=len(batch["latents"]))

    def save_pretrained(self, folder: Path) -> None:
        """Write ``unet``, ``text_encoder``, ``tokenizer`` and ``scheduler`` into ``folder`` (fp16 safetensors)."""
        save_component(self.unet, folder / "unet")
        save_component(self.text_encoder, folder / "text_encoder")
        self.tokenizer.save_pretrained(folder / "tokenizer")
        stable_diffusion_scheduler().save_pretrained(folder / "scheduler")
