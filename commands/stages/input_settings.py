"""What the input stage estimates with: the shipped YAML, then overlays, then options."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import jsonargparse

from commands.settings_errors import settings_message
from viewdistill import resources
from viewdistill.diffusion.class_words import ClassWords
from viewdistill.errors import ViewDistillError
from viewdistill.precision import Precision

SHIPPED = "configs/input.yaml"
"""The settings."""


@dataclass(frozen=True)
class InputSettings:
    """Priors and sizes of the estimates."""

    view_prior: str
    """Folder of the view-conditioned prior, diffusers layout, or its name on the hub; estimates the elevation."""
    elevation_guidance_scale: float
    """Of the views that it samples."""
    elevation_steps: int
    """DDIM steps of each, 1 to 1,000."""
    text_prior: str
    """Folder or name of the text-conditioned prior; chooses the class word."""
    clip: str | None
    """Folder or name of a CLIP model, which chooses in the text prior's place."""
    class_words: ClassWords
    """Words to choose from."""
    precision: Precision
    """Of the priors."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ViewDistillError: A number is out of them.
        """
        if not 1 <= self.elevation_steps <= 1000:
            raise ViewDistillError(f"elevation_steps is {self.elevation_steps}; give 1 to 1,000")
        if not 0 <= self.elevation_guidance_scale <= 100:
            raise ViewDistillError(f"elevation_guidance_scale is {self.elevation_guidance_scale:g}; give 0 to 100")


def read_settings(overlays: Sequence[Path], **options: str | None) -> InputSettings:
    """The settings of the shipped YAML, the overlays and the options; later ones win.

    Args:
        overlays: YAML files that say only what differs.
        options: Settings by name; none where the user gave none.

    Raises:
        ViewDistillError: A YAML is missing, or a setting is unknown or wrong.
    """
    files = [resources.find(SHIPPED), *(resources.find(overlay) for overlay in overlays)]
    for path in files:
        if not path.is_file():
            raise ViewDistillError(f"{path}: no such configuration; the shipped ones are in {resources.CONFIGS}")
    parser = jsonargparse.ArgumentParser(prog="viewdistill", exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(InputSettings)
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    try:
        settings = parser.parse_args([*(f"--config={path}" for path in files), *given])
    except argparse.ArgumentError as error:
        raise ViewDistillError(f"configuration: {settings_message(str(error))}") from error
    return InputSettings(**{field.name: settings[field.name] for field in fields(InputSettings)})
