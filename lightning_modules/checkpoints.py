"""Reading checkpoints of fitted modules: never unpickled, and one clear line for whatever is wrong with the file.

Only what such files really make torch and the classes raise is caught; an error in the code that reads them stays one.
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
    if path.is_file() and not is_sound(path):
        raise damaged
    content = plain_content(path, damaged, device)
    parts = ("state_dict", "hyper_parameters")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), dict) for part in parts):
        raise ViewDistillError(f"{path}: not a checkpoint of a fitted module; delete it and run {remedy}")
    return content


def plain_content(path: Path, damaged: ViewDistillError, device: torch.device | str = "cpu", mmap: bool = False) -> Any:
    """What a file of `torch.save` holds, without running any code of it.

    Args:
        path: The file.
        damaged: The error for whatever is wrong with it.
        device: Where its tensors shall live.
        mmap: Whether tensors are read from the disk when they are used alone.

    Raises:
        ViewDistillError: ``damaged``: the file cannot be opened, is cut short, or holds more than plain data.
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
    """A settings dataclass, with the dataclasses that it holds, from what a checkpoint keeps of it.

    Raises:
        ViewDistillError: The stored names are not those that this version has.
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
    """Settings as plain containers, as a checkpoint that is read without unpickling may hold them.

    An object that is no dataclass, such as a guidance method of the user's own, becomes the path of its class.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain_settings(getattr(value, entry.name)) for entry in fields(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return type(value)(plain_settings(entry) for entry in value)
    return f"{type(value).__module__}.{type(value).__qualname__}"


def load_weights(module: nn.Module, state: dict[str, Any], path: Path, remedy: str) -> None:
    """Put the weights of a checkpoint into a module of its settings.

    Raises:
        ViewDistillError: Names or shapes do not fit, or a weight is not finite.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise another_architecture(module, state, path, remedy) from error
    if name := non_finite(state):
        raise ViewDistillError(f"{path}: {name} is not finite; delete the file and run {remedy}")


def another_architecture(module: nn.Module, state: dict[str, Any], path: Path, remedy: str) -> ViewDistillError:
    """The error for weights that do not fit a module, with the first of them that does not."""
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
    """The error for a sound checkpoint that this version cannot have written."""
    return ViewDistillError(f"{path}: checkpoint of another version; delete it and run {remedy}")


def last_checkpoint(trainer: Trainer) -> Path | None:
    """The checkpoint that was written last, in this fit or in the one that it resumed."""
    saver: Any = trainer.checkpoint_callback
    if saver is None:
        return None
    places = [saver.best_model_path, Path(saver.dirpath or ".") / f"{saver.filename}{saver.FILE_EXTENSION}"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)
