"""Conversion of an original Zero-1-to-3 checkpoint into a folder that `ViewConditionedPrior.from_folder` loads.

The checkpoint is mapped from disk and each component is written straight from the mapping, so that no more than the
pages in use are in memory. All sizes follow from the weights; the numbers of levels, of blocks per level and of heads
are the released model's (Liu et al. 2023, ``sd-objaverse-finetune-c_concat-256``).
"""

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from viewdistill.diffusion.conditioning import CameraProjection
from viewdistill.diffusion.ldm.checkpoint import SOURCES, read_state_dict
from viewdistill.diffusion.ldm.keys import AUTOENCODER, CLIP, EMA, UNET, autoencoder_key, clip_key, ema_key, unet_key
from viewdistill.diffusion.published import Pose
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.files import write_json

LEVELS = 4
"""Levels of the UNet and of the autoencoder."""

HEADS = 8
"""Attention heads of the UNet on every level."""

CLIP_HEAD_WIDTH = 64
"""Width of an attention head of OpenAI's vision towers."""

FEWEST_EMA_WEIGHTS = 100
"""A checkpoint with more weights than this under ``model_ema.`` has a moving average, which is then taken."""


@dataclass(frozen=True)
class Conversion:
    """Summary of a conversion."""

    ema: bool
    """Whether the UNet is the moving average."""
    weights: int
    """Number of parameters written, over all components."""


@dataclass(frozen=True)
class LdmCheckpoint:
    """The weights of an original checkpoint under their original names."""

    path: Path
    """The file, for messages."""
    state: Mapping[str, Tensor]
    """Name → weight, mapped from disk."""

    @property
    def ema(self) -> bool:
        """Whether the checkpoint holds a moving average of the UNet."""
        return sum(name.startswith(EMA) for name in self.state) > FEWEST_EMA_WEIGHTS

    def weight(self, name: str) -> Tensor:
        """Return one weight by its name.

        Raises:
            ViewDistillError: The checkpoint lacks it.
        """
        if name not in self.state:
            raise ViewDistillError(
                f"{self.path}: not a whole Zero-1-to-3 checkpoint: no {name}; fetch one from {SOURCES}"
            )
        return self.state[name]

    def unet_weight(self, name: str) -> Tensor:
        """Return a weight of the UNet by its original name without prefix: the moving average where there is one."""
        return self.weight(ema_key(name) if self.ema else UNET + name)

    def require_nothing_else(self, prefix: str, used: set[str]) -> None:
        """Check that the stock class has a place for every weight of a network.

        Raises:
            ViewDistillError: Some weights have no place: the architecture differs.
        """
        there = {name.removeprefix(prefix) for name in self.state if name.startswith(prefix)}
        # The autoencoder's training loss, with its discriminator, may lie beside it.
        if rest := sorted(name for name in there - used if not name.startswith("loss.")):
            raise ViewDistillError(
                f"{self.path}: {len(rest)} weights have no place in a Zero-1-to-3 model, the first {prefix}{rest[0]}; "
                "only checkpoints of its own architecture can be converted"
            )


def convert(checkpoint: Path, out: Path, pose: Pose) -> Conversion:
    """Write a prior folder from an original checkpoint, whole or not at all.

    Args:
        checkpoint: ``.ckpt`` or ``.safetensors`` with the names of the original code.
        out: Folder to make.
        pose: Meaning of the model's fourth pose number; noted in the folder.

    Raises:
        ViewDistillError: The checkpoint cannot be used, or the folder exists already or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ViewDistillError(f"{out}: exists already; give the name of a new folder, or remove it")
    source = LdmCheckpoint(checkpoint, read_state_dict(checkpoint))
    require_schedule(source)
    partial = out.with_name(f".partial-{out.name}")
    try:
        # Leftovers of a killed conversion.
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        writers = (write_unet, write_autoencoder, write_image_encoder)
        weights = sum(write(source, partial) for write in writers)
        weights += write_camera_projection(source, partial, pose)
        scheduler: Any = DDIMScheduler
        scheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ).save_pretrained(partial / "scheduler")
        partial.replace(out)
    except (OSError, SafetensorError) as error:
        raise ViewDistillError(f"{out}: cannot be written ({error}); choose a place with enough room") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Conversion(source.ema, weights)


def require_schedule(source: LdmCheckpoint) -> None:
    """Check that the checkpoint's noise levels, if it holds them, are those that the folder will name.

    Raises:
        ViewDistillError: They differ.
    """
    levels = source.state.get("alphas_cumprod")
    if levels is None:
        return
    expected = NoiseSchedule().alphas_cumprod
    if levels.shape != expected.shape or not torch.allclose(levels.float(), expected, atol=1e-4):
        raise ViewDistillError(
            f"{source.path}: its noise levels are not those of Zero-1-to-3; such checkpoints cannot be converted"
        )


def write_unet(source: LdmCheckpoint, out: Path) -> int:
    """Write ``unet``; return its number of parameters."""
    widths = [
        source.unet_weight(f"input_blocks.{3 * level + 1}.0.in_layers.2.weight").shape[0] for level in range(LEVELS)
    ]
    with torch.device("meta"):
        unet = cast(Any, UNet2DConditionModel)(
            sample_size=32,
            in_channels=source.unet_weight("input_blocks.0.0.weight").shape[1],
            out_channels=source.unet_weight("out.2.weight").shape[0],
            block_out_channels=widths,
            layers_per_block=2,
            cross_attention_dim=source.unet_weight("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight").shape[1],
            attention_head_dim=HEADS,  # its name notwithstanding, the number of heads
        )
    used = {name: unet_key(name) for name in unet.state_dict()}
    source.require_nothing_else(UNET, set(used.values()))
    unet.save_config(out / "unet")
    return write_weights(
        source, unet, out / "unet" / "diffusion_pytorch_model.safetensors", lambda name: source.unet_weight(used[name])
    )


def write_autoencoder(source: LdmCheckpoint, out: Path) -> int:
    """Write ``vae``; return its number of parameters."""
    widths = [source.weight(f"{AUTOENCODER}encoder.down.{i}.block.0.conv2.weight").shape[0] for i in range(LEVELS)]
    scale = source.state.get("scale_factor")
    with torch.device("meta"):
        vae = cast(Any, AutoencoderKL)(
            block_out_channels=widths,
            down_block_types=("DownEncoderBlock2D",) * LEVELS,
            up_block_types=("UpDecoderBlock2D",) * LEVELS,
            layers_per_block=2,
            latent_channels=source.weight(f"{AUTOENCODER}post_quant_conv.weight").shape[0],
            sample_size=256,
            scaling_factor=0.18215 if scale is None else float(scale),
        )
    used = {name: autoencoder_key(name, LEVELS) for name in vae.state_dict()}
    source.require_nothing_else(AUTOENCODER, set(used.values()))
    vae.save_config(out / "vae")
    return write_weights(
        source,
        vae,
        out / "vae" / "diffusion_pytorch_model.safetensors",
        lambda name: source.weight(AUTOENCODER + used[name]),
    )


def write_image_encoder(source: LdmCheckpoint, out: Path) -> int:
    """Write ``image_encoder``; return its number of parameters."""
    blocks = {name.split(".resblocks.")[1].split(".")[0] for name in source.state if f"{CLIP}transformer.res" in name}
    hidden = source.weight(f"{CLIP}class_embedding").shape[0]
    patch = source.weight(f"{CLIP}conv1.weight").shape[-1]
    patches = source.weight(f"{CLIP}positional_embedding").shape[0] - 1
    config = CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=source.weight(f"{CLIP}transformer.resblocks.0.mlp.c_fc.weight").shape[0],
        projection_dim=source.weight(f"{CLIP}proj").shape[1],
        num_hidden_layers=len(blocks),
        num_attention_heads=max(1, hidden // CLIP_HEAD_WIDTH),
        image_size=math.isqrt(patches) * patch,
        patch_size=patch,
    )
    with torch.device("meta"):
        encoder = CLIPVisionModelWithProjection(config)
    used = {name: clip_key(name) for name in encoder.state_dict()}
    source.require_nothing_else(CLIP, {key for key, _ in used.values()})

    def weight(name: str) -> Tensor:
        key, third = used[name]
        value = source.weight(CLIP + key)
        if third is not None:
            return value.chunk(3)[third]
        return value.T.contiguous() if key == "proj" else value

    config.save_pretrained(out / "image_encoder")
    return write_weights(source, encoder, out / "image_encoder" / "model.safetensors", weight)


def write_camera_projection(source: LdmCheckpoint, out: Path, pose: Pose) -> int:
    """Write ``clip_camera_projection``; return its number of parameters."""
    weight, bias = source.weight("cc_projection.weight"), source.weight("cc_projection.bias")
    embedding = source.weight(f"{CLIP}proj").shape[1]
    projection = CameraProjection(embedding, weight.shape[0], pose_dim=weight.shape[1] - embedding)
    projection.load_state_dict({"proj.weight": weight, "proj.bias": bias})
    folder = out / "clip_camera_projection"
    projection.save_pretrained(folder)
    write_json(folder / "config.json", read_json(folder / "config.json") | {"pose": pose})
    return weight.numel() + bias.numel()


def write_weights(source: LdmCheckpoint, module: torch.nn.Module, path: Path, weight: Callable[[str], Tensor]) -> int:
    """Write the weights of a component straight from the checkpoint; return their number.

    Args:
        source: For messages.
        module: The component on the meta device: names and shapes.
        path: The safetensors file.
        weight: Gives the weight of a name; 1×1 convolutions may stand for linear layers.

    Raises:
        ViewDistillError: A weight is missing or has another shape.
    """
    weights: dict[str, Tensor] = {}
    for name, expected in module.state_dict().items():
        value = weight(name)
        if value.dim() == 4 and expected.dim() == 2:
            value = value[:, :, 0, 0]
        if value.shape != expected.shape:
            raise ViewDistillError(
                f"{source.path}: the weight for {path.parent.name} {name} has shape {list(value.shape)}, expected "
                f"{list(expected.shape)}; only checkpoints of Zero-1-to-3's own architecture can be converted"
            )
        weights[name] = value
    save_file(weights, path, metadata={"format": "pt"})
    return sum(value.numel() for value in weights.values())
