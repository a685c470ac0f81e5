"""CLIP chooses among words: a real model of tiny size, and one line for what is no whole CLIP model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPVisionConfig

from tests.viewdistill.tiny_priors import tiny_tokenizer
from viewdistill.diffusion.class_words import EVERYDAY, words_of
from viewdistill.diffusion.zero_shot import TEMPLATE, load_clip, word_probabilities
from viewdistill.errors import ViewDistillError
from viewdistill.objects.nouns import NOUNS

SMALL: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP model with random weights."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    text = CLIPTextConfig(**SMALL, vocab_size=len(tokenizer), max_position_embeddings=64, projection_dim=8)
    vision = CLIPVisionConfig(**SMALL, image_size=32, patch_size=16, projection_dim=8)
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)
    return folder


def test_probabilities_are_clips_own(clip: Path):
    model, tokenizer = load_clip(str(clip))
    image, words = torch.rand(1, 3, 32, 32), ("mug", "cat", "bus")
    found = word_probabilities(model, tokenizer, image, words)
    assert found.shape == (3,)
    assert float(found.sum()) == pytest.approx(1)
    # The order of the words does not matter.
    torch.testing.assert_close(word_probabilities(model, tokenizer, image, words[::-1]).flip(0), found)
    assert TEMPLATE.format("mug") == "a photo of a mug."


def test_what_is_no_whole_clip_model(clip: Path, tmp_path: Path):
    with pytest.raises(ViewDistillError, match=r"no CLIP model \(no config\.json\)"):
        load_clip(str(tmp_path))
    # Stable Diffusion's text tower: no projection, no image tower.
    CLIPTextModel(CLIPTextConfig(**SMALL, vocab_size=54)).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ViewDistillError) as caught:
        load_clip(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_everyday_words_hold_the_generators_once():
    words = words_of("everyday")
    assert len(set(words)) == len(words) == len(NOUNS) + len(EVERYDAY)
    assert words_of("generator") == NOUNS
