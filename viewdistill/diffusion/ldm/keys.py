"""Names of weights: from diffusers and transformers to the original Zero-1-to-3 code.

Each function takes the name of a weight in the stock class and gives its name in the original module, so that a
conversion asks for what it needs and notices what is missing. The rules are those of the conversion scripts of
diffusers (UNet, autoencoder) and transformers (CLIP), for two residual blocks per level and attention on all levels but
the deepest.
"""

import re

UNET, AUTOENCODER, CLIP = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.model.visual."
"""Prefixes of the three networks."""

EMA = "model_ema."
"""Prefix of the moving average of the UNet's weights."""

BLOCKS_A_LEVEL = 3
"""Entries per level in the original's lists: two residual blocks, and one place for a change of size."""

_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_AUTOENCODER_PARTS = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "downsamplers.0": "downsample",
    "upsamplers.0": "upsample",
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
    "resnets": "block",
}
_CLIP_ENDS = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding": "conv1",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm": "ln_pre",
    "post_layernorm": "ln_post",
}
_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_JOINED = ("q_proj", "k_proj", "v_proj")


def unet_key(name: str) -> str:
    """Return the name in the original UNet of a weight of ``UNet2DConditionModel``, without prefix."""
    for end, original in _UNET_ENDS.items():
        if name.startswith(f"{end}."):
            return name.replace(end, original, 1)
    side, rest = name.split(".", 1)
    if side == "mid_block":
        kind, index, rest = rest.split(".", 2)
        return f"middle_block.{2 * int(index)}.{_resnet(rest)}" if kind == "resnets" else f"middle_block.1.{rest}"
    level, kind, layer, rest = rest.split(".", 3)
    # The input list begins with the first convolution, the output list with the deepest level.
    blocks, first = ("input_blocks", 1) if side == "down_blocks" else ("output_blocks", 0)
    start = first + BLOCKS_A_LEVEL * int(level)
    if kind == "downsamplers":
        return f"{blocks}.{start + 2}.0.{rest.replace('conv', 'op', 1)}"
    if kind == "upsamplers":
        # Upsampling follows the last residual block and, where the level has one, its attention.
        return f"{blocks}.{start + 2}.{1 if level == '0' else 2}.{rest}"
    part = f"0.{_resnet(rest)}" if kind == "resnets" else f"1.{rest}"
    return f"{blocks}.{start + int(layer)}.{part}"


def ema_key(name: str) -> str:
    """Return the name in the checkpoint of the moving average of a weight of the original UNet: all dots are gone."""
    return EMA + f"diffusion_model.{name}".replace(".", "")


def autoencoder_key(name: str, levels: int) -> str:
    """Return the name in the original autoencoder of a weight of ``AutoencoderKL``, without prefix.

    Args:
        name: In the stock class.
        levels: Of the autoencoder; the original counts the decoder's from the finest.
    """
    name = re.sub(r"down_blocks\.(\d+)", r"down.\1", name)
    name = re.sub(r"up_blocks\.(\d+)", lambda match: f"up.{levels - 1 - int(match[1])}", name)
    for part, original in _AUTOENCODER_PARTS.items():
        name = re.sub(rf"(?<![\w.]){re.escape(part)}(?=\.)|(?<=\.){re.escape(part)}(?=\.)", original, name)
    return name


def clip_key(name: str) -> tuple[str, int | None]:
    """Return the name in OpenAI's vision tower of a weight of ``CLIPVisionModelWithProjection``, without prefix.

    Returns:
        The name, and the third of that weight where queries, keys and values are stored as one.
    """
    name = name.removeprefix("vision_model.")
    if name == "visual_projection.weight":
        return "proj", None
    for end, original in _CLIP_ENDS.items():
        if name.startswith(end):
            return name.replace(end, original, 1), None
    _, _, layer, rest = name.split(".", 3)
    block = f"transformer.resblocks.{layer}"
    for third, joined in enumerate(_JOINED):
        if rest.startswith(f"self_attn.{joined}."):
            return f"{block}.attn.in_proj_{rest.rsplit('.', 1)[1]}", third
    part, kind = rest.rsplit(".", 1)
    return f"{block}.{_CLIP_LAYER[part]}.{kind}", None


def _resnet(rest: str) -> str:
    part, kind = rest.split(".", 1)
    return f"{_UNET_RESNET[part]}.{kind}"
