"""Settings of the stages without Lightning: the shipped YAML, then overlays, then options; later ones win."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import jsonargparse

from commands.settings_errors import settings_message
from commands.stages.configuration import check_configuration
from viewdistill import resources
from viewdistill.errors import ViewDistillError

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], shipped: str, overlays: Sequence[Path], **options: object) -> Settings:
    """A dataclass of settings.

    Args:
        kind: The dataclass; a YAML may contain its fields only.
        shipped: The YAML with all of them, such as ``configs/input.yaml``.
        overlays: YAML files with differing settings only.
        options: Settings by name; None if not given by the user.

    Raises:
        ViewDistillError: A YAML is missing, or a setting is unknown or wrong.
    """
    files = [resources.find(shipped), *(resources.find(overlay) for overlay in overlays)]
    for path in files:
        check_configuration(path)
    parser: Any = jsonargparse.ArgumentParser(prog="viewdistill", exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(kind)
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    try:
        settings = parser.parse_args([*(f"--config={path}" for path in files), *given])
    except argparse.ArgumentError as error:
        raise ViewDistillError(f"configuration: {settings_message(str(error))}") from error
    return kind(**{field.name: settings[field.name] for field in fields(kind)})  # type: ignore[arg-type]
