"""CLIP as a zero-shot classifier (Radford et al. 2021): the text whose embedding is nearest to the image's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel, PreTrainedTokenizerBase

from viewdistill.diffusion.conditioning import CLIP_MEAN, CLIP_STD
from viewdistill.errors import ViewDistillError

TEMPLATE = "a photo of a {}."
"""Prompt for a word; the authors' own for objects."""

CLEAR_PROBABILITY = 0.3
"""Smallest probability of an accepted word; chance among two hundred words is 0.005."""


def load_clip(name: str) -> tuple[CLIPModel, PreTrainedTokenizerBase]:
    """Load a CLIP model with both towers and their projections, and its tokenizer.

    Args:
        name: Folder in the layout of transformers, or name on the hub.

    Raises:
        ViewDistillError: The model is missing or damaged, or lacks a part, as the text tower of Stable Diffusion does.
    """
    if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise ViewDistillError(f"{name}: no CLIP model (no config.json); give the folder of one, or `clip: null`")
    try:
        loaded: Any = CLIPModel.from_pretrained(name, output_loading_info=True)
        model, loading = loaded
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ViewDistillError(
            f"{name}: no CLIP model could be loaded ({reason}); check `clip`, or set it to null"
        ) from error
    if missing := sorted(loading["missing_keys"]):
        raise ViewDistillError(f"{name}: lacks {missing[0]} of a CLIP model; give a whole one, or `clip: null`")
    return model.eval().requires_grad_(False), tokenizer


@torch.no_grad()
def word_probabilities(
    model: CLIPModel,
    tokenizer: PreTrainedTokenizerBase,
    image: Float[Tensor, "1 3 size size"],
    words: Sequence[str],
) -> Float[Tensor, " words"]:
    """Return the probability of each word, by the model's own temperature.

    Args:
        model: With both projections.
        tokenizer: The model's.
        image: In [0, 1], at the model's `image_size`, over white.
        words: Nouns.
    """
    pixels = (image - image.new_tensor(CLIP_MEAN)[:, None, None]) / image.new_tensor(CLIP_STD)[:, None, None]
    texts = tokenizer([TEMPLATE.format(word) for word in words], padding=True, return_tensors="pt")
    output = model(input_ids=texts["input_ids"], attention_mask=texts["attention_mask"], pixel_values=pixels)
    return output.logits_per_image[0].softmax(0)
