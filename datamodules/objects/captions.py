"""Tokenizer of the embedded text tower, built from its training captions."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

CAPTION_LENGTH = 24
"""Tokens per caption after padding or truncation, start and end included."""

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-'"


def build_tokenizer(captions: list[str], vocabulary_size: int = 1024) -> CLIPTokenizer:
    """Build a CLIP tokenizer with merges learned from ``captions``, so that common words are single tokens.

    Every letter and digit is in the vocabulary, inside and at the end of a word, so that any lower-case word can be
    spelt, such as DreamBooth's rare identifiers.
    """
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Lowercase()
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        end_of_word_suffix="</w>",
        initial_alphabet=list(ALPHABET),
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        show_progress=False,
    )
    bpe.train_from_iterator([*sorted(set(captions)), " ".join(ALPHABET)], trainer)
    model = json.loads(bpe.to_str())["model"]
    merges: Any = [tuple(pair) for pair in model["merges"]]  # typed too narrowly by transformers
    return CLIPTokenizer(vocab=model["vocab"], merges=merges, model_max_length=CAPTION_LENGTH)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """Read a tokenizer folder."""
    return CLIPTokenizer.from_pretrained(folder)
