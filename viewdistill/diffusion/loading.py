"""Reading a prior's components from disk, with one clear line for whatever is wrong with them."""

from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from viewdistill.errors import ViewDistillError

Module = TypeVar("Module", bound=nn.Module)

# What diffusers and transformers raise for absent, truncated and ill-fitting files.
_LOADING_ERRORS = (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError)


def component_folder(prior: Path, name: str) -> Path:
    """Folder of one component of a prior in the diffusers layout.

    Raises:
        ViewDistillError: The prior or the component is not there.
    """
    if not prior.is_dir():
        raise ViewDistillError(
            f"{prior}: no such prior folder; run `make priors` or give the folder of a diffusers model"
        )
    folder = prior / name
    if not folder.is_dir():
        raise ViewDistillError(f"{folder}: this prior has no {name}; restore it, or run `make priors`")
    return folder


def load_component(kind: type[Module], prior: Path, name: str, dtype: torch.dtype) -> Module:
    """Load a component with its class's own ``from_pretrained``.

    Args:
        kind: A diffusers or transformers model class.
        prior: Folder of the prior.
        name: Component, for example ``unet``.
        dtype: Precision of the weights in memory.

    Raises:
        ViewDistillError: The component is missing or damaged, or its weights are not those its configuration asks for.
    """
    folder = component_folder(prior, name)
    try:
        module, info = cast(Any, kind).from_pretrained(folder, output_loading_info=True)
    except _LOADING_ERRORS as error:
        raise _damaged(folder, kind.__name__, error) from error
    # Left alone, both libraries draw missing weights at random and only log it.
    if missing := sorted(info["missing_keys"]):
        raise ViewDistillError(
            f"{folder}: {len(missing)} weights are missing, the first {missing[0]}; fetch or train it again"
        )
    # The plain method: the one of diffusers warns of casts even where no module has to stay in fp32.
    return cast(Module, nn.Module.to(module, dtype=dtype))


def load_tokenizer(prior: Path) -> PreTrainedTokenizerBase:
    """Load the ``tokenizer`` component.

    Raises:
        ViewDistillError: It is missing or damaged.
    """
    folder = component_folder(prior, "tokenizer")
    try:
        return AutoTokenizer.from_pretrained(folder)
    except _LOADING_ERRORS as error:
        raise _damaged(folder, "a tokenizer", error) from error


def _damaged(folder: Path, what: str, error: Exception) -> ViewDistillError:
    reason = str(error).strip().split("\n")[0]
    return ViewDistillError(f"{folder}: cannot be loaded as {what} ({reason}); fetch or train it again")
