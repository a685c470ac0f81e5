"""Reading of fitted modules' checkpoints, without unpickling and with one clear line for any fault of the file.

Only errors that such files can cause in torch and the classes are caught; bugs in the reading code are not hidden.
"""

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import torch
from pytorch_lightning import Trainer
from torch import nn

from viewdistill.errors import ViewDistillError
from viewdistill.files import is_sound
from viewdistill.finite import non_finite

Settings = TypeVar("Settings")


def read_checkpoint(path: Path, remedy: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a Lightning checkpoint.

    Args:
        path: The checkpoint.
        remedy: The command that writes it again, for the message.
        device: Device of its tensors.

    Returns:
        At least ``state_dict`` and ``hyper_parameters``, both dictionaries.

    Raises:
        ViewDistillError: The file is missing or truncated, holds more than plain data, or is no Lightning checkpoint.
    """
    if not path.exists():
        raise ViewDistillError(f"{path}: no such file; run {remedy} first")
    damaged = ViewDistillError(f"{path}: damaged checkpoint; delete it and run {remedy}")
    if path.is_file() and not is_sound(path):
        raise damaged
    content = plain_content(path, damaged, device)
    parts = ("state_dict", "hyper_parameters")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), dict) for part in parts):
        raise ViewDistillError(f"{path}: not a checkpoint of a fitted module; delete it and run {remedy}")
    return content


def plain_content(path: Path, damaged: ViewDistillError, device: torch.device | str = "cpu", mmap: bool = False) -> Any:
    """Read a file of `torch.save` without running any code in it.

    Args:
        path: The file.
        damaged: The error for any fault of the file.
        device: Device of its tensors.
        mmap: Whether tensors are read lazily from the disk.

    Raises:
        ViewDistillError: ``damaged``: the file cannot be opened, is truncated, or holds more than plain data.
    """
    # Opening a pipe would block; anything else torch would take for its older format and raise nearly any error over.
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise damaged
    try:
        return torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except torch.OutOfMemoryError:  # a RuntimeError that says nothing of the file
        raise
    # In turn: no permission; more than plain data; bytes that do not fit their checksum.
    except (OSError, pickle.UnpicklingError, RuntimeError) as error:
        raise damaged from error


def stored_settings(kind: type[Settings], stored: object, path: Path, remedy: str) -> Settings:
    """Restore a settings dataclass, with nested dataclasses, from a checkpoint's plain containers.

    Raises:
        ViewDistillError: The stored names are not those of this version.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(stored, Mapping) or set(stored) != names:
        raise another_version(path, remedy)
    values, types = dict(stored), get_type_hints(kind)
    for name in names:
        if is_dataclass(types[name]):
            values[name] = stored_settings(cast(type[Any], types[name]), values[name], path, remedy)
    return kind(**values)


def plain_settings(value: object) -> Any:
    """Convert settings to plain containers, for checkpoints that are read without unpickling.

    An object that is no dataclass, such as a custom guidance method, becomes the path of its class.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain_settings(getattr(value, entry.name)) for entry in fields(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return type(value)(plain_settings(entry) for entry in value)
    return f"{type(value).__module__}.{type(value).__qualname__}"


def load_weights(module: nn.Module, state: dict[str, Any], path: Path, remedy: str) -> None:
    """Load the weights of a checkpoint into a module of its settings.

    Raises:
        ViewDistillError: Names or shapes do not match, or a weight is not finite.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise another_architecture(module, state, path, remedy) from error
    if name := non_finite(state):
        raise ViewDistillError(f"{path}: {name} is not finite; delete the file and run {remedy}")


def another_architecture(module: nn.Module, state: dict[str, Any], path: Path, remedy: str) -> ViewDistillError:
    """Return the error for weights that do not match a module, with the first mismatch."""
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    stored = {name: tuple(value.shape) if hasattr(value, "shape") else type(value) for name, value in state.items()}
    differing = [name for name in {**own, **stored} if own.get(name) != stored.get(name)]
    if not differing:
        return another_version(path, remedy)
    words = [f"{side.get(differing[0], 'missing')} {place}" for side, place in ((stored, "in it"), (own, "here"))]
    return ViewDistillError(
        f"{path}: checkpoint of another version or architecture ({len(differing)} of {len(own)} weights differ, "
        f"such as {differing[0]}: {', '.join(words)}); delete it and run {remedy}"
    )


def another_version(path: Path, remedy: str) -> ViewDistillError:
    """Return the error for a sound checkpoint of another version."""
    return ViewDistillError(f"{path}: checkpoint of another version; delete it and run {remedy}")


def last_checkpoint(trainer: Trainer) -> Path | None:
    """The checkpoint that was written last, in this fit or in the one that it resumed."""
    saver: Any = trainer.checkpoint_callback
    if saver is None:
        return None
    places = [saver.best_model_path, Path(saver.dirpath or ".") / f"{saver.filename}{saver.FILE_EXTENSION}"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)
