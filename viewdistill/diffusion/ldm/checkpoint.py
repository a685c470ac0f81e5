"""Checkpoints of the original latent-diffusion code, read lazily and without running any code in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from viewdistill.errors import ViewDistillError

SOURCES = "`cvlab/zero123-weights` or `stabilityai/stable-zero123` on the Hugging Face hub"
"""Sources of the original checkpoints, for messages."""


class Inert:
    """Stand-in for every class that a checkpoint names and torch does not know: accepts any arguments, does nothing.

    Lightning pickles its callbacks and the configuration beside the weights. They are not needed, and their classes
    need not be importable.
    """

    def __new__(cls, *_: object) -> "Inert":
        """Ignore the arguments."""
        return super().__new__(cls)

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        """Ignore the state."""


def read_state_dict(path: Path) -> Mapping[str, Tensor]:
    """Return the weights of a ``.ckpt`` or ``.safetensors`` file, mapped from disk: a page is read at its first use.

    The unpickler is torch's restricted one. Names of foreign classes in the file stand for `Inert`, so that the file
    cannot make anything else.

    Raises:
        ViewDistillError: The file is missing, damaged, or no checkpoint of weights.
    """
    if not path.is_file():
        raise ViewDistillError(f"{path}: no such checkpoint; fetch it from {SOURCES}")
    try:
        content: Any = load_file(path) if path.suffix == ".safetensors" else _read_restricted(path)
    except Exception as error:  # damage shows as any of a dozen kinds of error, some of them torch's own
        raise ViewDistillError(
            f"{path}: damaged, or not a checkpoint of weights alone ({_first_line(error)}); "
            f"fetch it again from {SOURCES}"
        ) from error
    state: Any = content.get("state_dict", content) if isinstance(content, dict) else None
    items = state.items() if isinstance(state, dict) else ()
    weights = {str(name): value for name, value in items if isinstance(value, Tensor)}
    if not weights:
        raise ViewDistillError(f"{path}: holds no weights; fetch an original checkpoint from {SOURCES}")
    return weights


def _read_restricted(path: Path) -> object:
    foreign = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    with torch.serialization.safe_globals([(Inert, name) for name in foreign]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _first_line(error: Exception) -> str:
    text = str(error) if isinstance(error, SafetensorError) else str(error).strip().split("\n")[0]
    return text.split(". ")[0] or type(error).__name__
