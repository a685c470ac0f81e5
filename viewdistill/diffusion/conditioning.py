"""Condition of a view-conditioned prior: from an input image and a relative pose.

Training and inference both use these functions, so that they cannot drift apart. The rules are those of the released
Zero-1-to-3 code (Liu et al. 2023); ``T`` is the relative pose of `viewdistill.cameras.relative_pose`.
"""

from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModelWithProjection

from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.files import write_json

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Tokens = Literal["pooled", "all"]
"""Image tokens of the condition: the pooled embedding (Zero-1-to-3) or every token of the vision tower."""

WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"


def preprocess_for_clip(
    images: Float[Tensor, "batch 3 height width"], image_encoder: CLIPVisionModelWithProjection
) -> Float[Tensor, "batch 3 size size"]:
    """Resize and normalise images for a CLIP image encoder as Zero-1-to-3 does.

    Bicubic to the encoder's own size with corners aligned and no antialiasing; CLIPImageProcessor, which the
    official USD code uses instead, resizes differently from the prior's training.

    Args:
        images: In [0, 1].
        image_encoder: Gives the size.
    """
    size = cast(int, image_encoder.config.image_size)
    # Bicubic weights sum to 1, so that resizing in [0, 1] equals resizing in [-1, 1] and mapping back.
    resized = F.interpolate(images.float(), (size, size), mode="bicubic", align_corners=True)
    return (resized - resized.new_tensor(CLIP_MEAN)[:, None, None]) / resized.new_tensor(CLIP_STD)[:, None, None]


def image_tokens(
    image_encoder: CLIPVisionModelWithProjection, pixels: Float[Tensor, "batch 3 size size"], tokens: Tokens
) -> Float[Tensor, "batch tokens dim"]:
    """Return image tokens in CLIP's joint space, not normalised; differentiable.

    Args:
        image_encoder: CLIP's vision tower with its projection.
        pixels: From `preprocess_for_clip`.
        tokens: ``pooled`` gives the one class token; ``all`` gives it first and the patch tokens, row by row, after it,
            each through the same final normalisation and projection.
    """
    output = image_encoder(pixel_values=pixels.to(image_encoder.dtype))
    if tokens == "pooled":
        return cast(Tensor, output.image_embeds)[:, None]
    normalised = image_encoder.vision_model.post_layernorm(output.last_hidden_state)
    return image_encoder.visual_projection(normalised)


def drop_conditions(
    tokens: Float[Tensor, "batch tokens dim"], latent: Float[Tensor, "batch c h w"], uniform: Float[Tensor, " batch"]
) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch c h w"]]:
    """Apply Zero-1-to-3's classifier-free dropout for training; the pose is never dropped.

    One uniform number u per sample decides: u < .05 drops the image tokens only, .05 ≤ u < .10 both, .10 ≤ u < .15 the
    image latent only. Tokens are zeroed *before* the camera projection, which still sees the pose. The unconditional
    branch of inference zeroes them *after* it: an input that training never shows, and the cause of its bias.

    Args:
        tokens: Image tokens before the camera projection.
        latent: Image latents that are concatenated with the noisy ones.
        uniform: u, in [0, 1).

    Returns:
        Tokens and latents with the dropped ones set to zero.
    """
    keep_tokens = uniform >= 0.10
    keep_latent = (uniform < 0.05) | (uniform >= 0.15)
    return tokens * keep_tokens[:, None, None], latent * keep_latent[:, None, None, None]


class CameraProjection(nn.Module):
    """Joins image tokens with the relative pose and projects them to cross-attention context.

    Starts, as in Zero-1-to-3, from the identity on the token part and a zero bias.

    Args:
        embedding_dim: Width of an image token.
        cross_attention_dim: Width of the UNet's context.
        tokens: Image tokens that the model was trained with; saved with the weights.
        pose_dim: Numbers in a relative pose.
    """

    def __init__(
        self, embedding_dim: int, cross_attention_dim: int, tokens: Tokens = "pooled", pose_dim: int = 4
    ) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.tokens: Tokens = tokens
        self.proj = nn.Linear(embedding_dim + pose_dim, cross_attention_dim)
        with torch.no_grad():
            self.proj.weight[:, :embedding_dim].copy_(torch.eye(cross_attention_dim, embedding_dim))
            self.proj.bias.zero_()

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"], relative_pose: Float[Tensor, "batch pose"]
    ) -> Float[Tensor, "batch tokens context"]:
        """Return cross-attention context: one token per image token, each joined with the pose."""
        pose = relative_pose.to(tokens.dtype)[:, None].expand(-1, tokens.shape[1], -1)
        return self.proj(torch.cat([tokens, pose], -1))

    def save_pretrained(self, folder: Path) -> None:
        """Write ``config.json`` and safetensors weights with the key names of the published diffusers ports."""
        config = {
            "_class_name": "CLIPCameraProjection",
            "embedding_dim": self.embedding_dim,
            "additional_embeddings": self.proj.in_features - self.embedding_dim,
            "cross_attention_dim": self.proj.out_features,
            "tokens": self.tokens,
        }
        write_json(folder / "config.json", config)
        weights = {f"proj.{name}": value.detach().contiguous() for name, value in self.proj.named_parameters()}
        save_file(weights, folder / WEIGHTS_FILE)

    @classmethod
    def from_pretrained(cls, folder: Path) -> "CameraProjection":
        """Read a folder of `save_pretrained` or of a published port; keys may be ``proj.*`` or ``projection.*``.

        Widths come from the weights; ``tokens`` is ``pooled`` where the configuration does not name them.

        Raises:
            ViewDistillError: A file is missing or damaged, or does not hold a camera projection.
        """
        path = folder / WEIGHTS_FILE
        config: Any = read_json(folder / "config.json", "restore the camera projection of this prior")
        try:
            stored = {name.replace("projection.", "proj."): value for name, value in load_file(path).items()}
        except FileNotFoundError as error:
            name = error.filename or path
            raise ViewDistillError(f"{name}: no such file; restore the camera projection of this prior") from None
        except (SafetensorError, ValueError) as error:
            raise ViewDistillError(f"{folder}: damaged ({error}); fetch or train the prior again") from None
        tokens: Any = config.get("tokens", "pooled") if isinstance(config, dict) else None
        if set(stored) != {"proj.weight", "proj.bias"} or tokens not in ("pooled", "all"):
            raise ViewDistillError(
                f"{folder}: not a camera projection (needs proj.weight, proj.bias, tokens pooled or all)"
            )
        context, joined = stored["proj.weight"].shape
        pose_dim: int = config.get("additional_embeddings", 4)
        module = cls(joined - pose_dim, context, tokens, pose_dim)
        module.load_state_dict(stored)
        return module
