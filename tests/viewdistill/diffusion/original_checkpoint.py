"""Synthetic checkpoints in the layout of the original Zero-1-to-3 code, written down from that code's own structure.

Nothing here knows of diffusers' or transformers' names.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FULL_UNET, FULL_AUTOENCODER = (320, 640, 1280, 1280), (128, 256, 512, 512)
TINY = (32, 32, 64, 64)


class Shapes(OrderedDict[str, tuple[int, ...]]):
    """Name → shape."""

    def layer(self, name: str, *shape: int, bias: bool = True) -> None:
        self[f"{name}.weight"] = shape
        if bias:
            self[f"{name}.bias"] = shape[:1]


def unet_shapes(widths: tuple[int, ...], context: int, in_channels: int = 8) -> Shapes:
    s, time = Shapes(), 4 * widths[0]

    def resnet(name: str, inner: int, outer: int) -> None:
        s.layer(f"{name}.in_layers.0", inner)
        s.layer(f"{name}.in_layers.2", outer, inner, 3, 3)
        s.layer(f"{name}.emb_layers.1", outer, time)
        s.layer(f"{name}.out_layers.0", outer)
        s.layer(f"{name}.out_layers.3", outer, outer, 3, 3)
        if inner != outer:
            s.layer(f"{name}.skip_connection", outer, inner, 1, 1)

    def transformer(name: str, width: int) -> None:
        block = f"{name}.transformer_blocks.0"
        s.layer(f"{name}.norm", width)
        s.layer(f"{name}.proj_in", width, width, 1, 1)
        for attention, seen in (("attn1", width), ("attn2", context)):
            s.layer(f"{block}.{attention}.to_q", width, width, bias=False)
            s.layer(f"{block}.{attention}.to_k", width, seen, bias=False)
            s.layer(f"{block}.{attention}.to_v", width, seen, bias=False)
            s.layer(f"{block}.{attention}.to_out.0", width, width)
        s.layer(f"{block}.ff.net.0.proj", 8 * width, width)
        s.layer(f"{block}.ff.net.2", width, 4 * width)
        for index in (1, 2, 3):
            s.layer(f"{block}.norm{index}", width)
        s.layer(f"{name}.proj_out", width, width, 1, 1)

    s.layer("time_embed.0", time, widths[0])
    s.layer("time_embed.2", time, time)
    s.layer("input_blocks.0.0", widths[0], in_channels, 3, 3)
    width, skipped, block = widths[0], [widths[0]], 1
    for level, outer in enumerate(widths):
        for _ in range(2):
            resnet(f"input_blocks.{block}.0", width, outer)
            if level < 3:
                transformer(f"input_blocks.{block}.1", outer)
            width, block = outer, block + 1
            skipped.append(width)
        if level < 3:
            s.layer(f"input_blocks.{block}.0.op", width, width, 3, 3)
            block += 1
            skipped.append(width)
    resnet("middle_block.0", width, width)
    transformer("middle_block.1", width)
    resnet("middle_block.2", width, width)
    block = 0
    for level in (3, 2, 1, 0):
        for place in range(3):
            resnet(f"output_blocks.{block}.0", width + skipped.pop(), widths[level])
            width = widths[level]
            if level < 3:
                transformer(f"output_blocks.{block}.1", width)
            if level and place == 2:
                s.layer(f"output_blocks.{block}.{2 if level < 3 else 1}.conv", width, width, 3, 3)
            block += 1
    s.layer("out.0", width)
    s.layer("out.2", 4, width, 3, 3)
    return s


def autoencoder_shapes(widths: tuple[int, ...]) -> Shapes:
    s, deepest = Shapes(), widths[-1]

    def resnet(name: str, inner: int, outer: int) -> None:
        s.layer(f"{name}.norm1", inner)
        s.layer(f"{name}.conv1", outer, inner, 3, 3)
        s.layer(f"{name}.norm2", outer)
        s.layer(f"{name}.conv2", outer, outer, 3, 3)
        if inner != outer:
            s.layer(f"{name}.nin_shortcut", outer, inner, 1, 1)

    def middle(name: str) -> None:
        resnet(f"{name}.block_1", deepest, deepest)
        s.layer(f"{name}.attn_1.norm", deepest)
        for part in ("q", "k", "v", "proj_out"):
            s.layer(f"{name}.attn_1.{part}", deepest, deepest, 1, 1)
        resnet(f"{name}.block_2", deepest, deepest)

    s.layer("encoder.conv_in", widths[0], 3, 3, 3)
    width = widths[0]
    for level, outer in enumerate(widths):
        for block in range(2):
            resnet(f"encoder.down.{level}.block.{block}", width, outer)
            width = outer
        if level < 3:
            s.layer(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    middle("encoder.mid")
    s.layer("encoder.norm_out", deepest)
    s.layer("encoder.conv_out", 8, deepest, 3, 3)
    s.layer("quant_conv", 8, 8, 1, 1)
    s.layer("post_quant_conv", 4, 4, 1, 1)
    s.layer("decoder.conv_in", deepest, 4, 3, 3)
    middle("decoder.mid")
    for level in (3, 2, 1, 0):
        for block in range(3):
            resnet(f"decoder.up.{level}.block.{block}", width, widths[level])
            width = widths[level]
        if level:
            s.layer(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    s.layer("decoder.norm_out", width)
    s.layer("decoder.conv_out", 3, width, 3, 3)
    return s


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """A residual attention block of OpenAI's CLIP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // 64)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        layers = [("c_fc", nn.Linear(width, 4 * width)), ("gelu", QuickGELU()), ("c_proj", nn.Linear(4 * width, width))]
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(Block(width) for _ in range(layers)))


class VisionTransformer(nn.Module):
    """OpenAI's vision tower, as its released code computes it."""

    def __init__(self, size: int, patch: int, width: int, layers: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn((size // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, layers)
        self.proj = nn.Parameter(torch.randn(width, out) * width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.conv1(pixels).flatten(2).movedim(2, 1)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        x = self.ln_pre(torch.cat([first, patches], 1) + self.positional_embedding)
        x = self.transformer.resblocks(x.movedim(0, 1)).movedim(0, 1)
        return self.ln_post(x[:, 0]) @ self.proj


def full_tower() -> VisionTransformer:
    """CLIP ViT-L/14, without memory."""
    with torch.device("meta"):
        return VisionTransformer(224, 14, 1024, 24, 768)


def tiny_tower() -> VisionTransformer:
    return VisionTransformer(28, 14, 128, 2, 24)


def drawn(shapes: Shapes, generator: torch.Generator) -> dict[str, Tensor]:
    """Random weights, of a size at which activations neither vanish nor grow."""
    weights: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        fan_in = max(1, int(torch.tensor(shape[1:]).prod())) if len(shape) > 1 else 25
        weights[name] = torch.randn(shape, generator=generator) * fan_in**-0.5
        if len(shape) == 1 and name.endswith("weight"):
            weights[name] += 1
    return weights


def prefixed(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in weights.items()}


def tiny_state(widths: tuple[int, ...] = TINY, ema: bool = True, seed: int = 0) -> dict[str, Tensor]:
    """A whole checkpoint's ``state_dict`` with random weights; the moving average differs from the weights."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tower = tiny_tower().requires_grad_(False)
    for parameter in tower.parameters():
        parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    shapes = unet_shapes(widths, context=24)
    state = prefixed("model.diffusion_model.", drawn(shapes, generator))
    if ema:
        state["model_ema.decay"], state["model_ema.num_updates"] = torch.tensor(0.9999), torch.tensor(7)
        for name, value in drawn(shapes, generator).items():
            state["model_ema.diffusion_model" + name.replace(".", "")] = value
    state |= prefixed("first_stage_model.", drawn(autoencoder_shapes(TINY), generator))
    state |= prefixed("cond_stage_model.model.visual.", {k: v.clone() for k, v in tower.state_dict().items()})
    shapes = Shapes({"weight": (24, 28), "bias": (24,)})
    state |= prefixed("cc_projection.", drawn(shapes, generator))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    state["alphas_cumprod"] = (1 - betas).cumprod(0).float()
    state["cond_stage_model.mean"], state["cond_stage_model.model.logit_scale"] = torch.zeros(3), torch.tensor(1.0)
    return state


def save_checkpoint(path: Path, state: dict[str, Tensor], **beside: Any) -> Path:
    """Write what Lightning writes: weights, counters, and whatever else is given."""
    torch.save({"state_dict": state, "global_step": 105000, "epoch": 3} | beside, path)
    return path
