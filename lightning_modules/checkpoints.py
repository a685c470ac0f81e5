"""Reading checkpoints of fitted modules: never unpickled, and one clear line for whatever is wrong with the file.

Only what such files really make torch and the classes raise is caught; an error in the code that reads them stays one.
"""

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn

from viewdistill.errors import ViewDistillError
from viewdistill.finite import non_finite

Settings = TypeVar("Settings")


def read_checkpoint(path: Path, remedy: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What a Lightning checkpoint holds.

    Args:
        path: The checkpoint.
        remedy: The command that writes it again, for the message.
        device: Where its tensors shall live.

    Returns:
        At least ``state_dict`` and ``hyper_parameters``, both dictionaries.

    Raises:
        ViewDistillError: The file is missing, truncated, holds more than plain data, or is no checkpoint of Lightning.
    """
    if not path.exists():
        raise ViewDistillError(f"{path}: no such file; run {remedy} first")
    damaged = ViewDistillError(f"{path}: damaged checkpoint; delete it and run {remedy}")
    # Anything else torch would take for its older format and raise nearly any error over.
    if not zipfile.is_zipfile(path):
        raise damaged
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    # In turn: no permission; more than plain data; bytes that do not fit their checksum.
    except (OSError, pickle.UnpicklingError, RuntimeError) as error:
        raise damaged from error
    parts = ("state_dict", "hyper_parameters")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), dict) for part in parts):
        raise ViewDistillError(f"{path}: not a checkpoint of a fitted module; delete it and run {remedy}")
    return content


def stored_settings(kind: type[Settings], stored: object, path: Path, remedy: str) -> Settings:
    """A settings dataclass, with the dataclasses that it holds by default, from what a checkpoint keeps of it.

    Raises:
        ViewDistillError: The stored names are not those that this version has.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(stored, Mapping) or set(stored) != names:
        raise another_version(path, remedy)
    values = dict(stored)
    for field in fields(kind):  # type: ignore[arg-type]
        if is_dataclass(inner := field.default_factory):
            values[field.name] = stored_settings(cast(type[Any], inner), values[field.name], path, remedy)
    return kind(**values)


def load_weights(module: nn.Module, state: dict[str, Any], path: Path, remedy: str) -> None:
    """Put the weights of a checkpoint into a module of its settings.

    Raises:
        ViewDistillError: Names or shapes do not fit, or a weight is not finite.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise another_version(path, remedy) from error
    if name := non_finite(state):
        raise ViewDistillError(f"{path}: {name} is not finite; delete the file and run {remedy}")


def another_version(path: Path, remedy: str) -> ViewDistillError:
    """The error for a sound checkpoint that this version cannot have written."""
    return ViewDistillError(f"{path}: checkpoint of another version; delete it and run {remedy}")
