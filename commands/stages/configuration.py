"""Options of the subcommands that run Lightning: one shipped YAML, overlays on it, and single settings last."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from commands.options import SEED, path
from viewdistill import resources
from viewdistill.errors import ViewDistillError

REPOSITORY = Path(resources.__file__).resolve().parent.parent
"""The folder that holds the packages: the repository, or where the wheel was installed."""


class Configured(Protocol):
    """Options of `add_configuration_arguments`."""

    @property
    def config(self) -> Sequence[Path]:
        """Overlays on the shipped YAML."""
        ...

    @property
    def seed(self) -> int | None:
        """Seed of everything random; that of the YAML where none is given."""
        ...


class ConfiguredRequest(Configured, Protocol):
    """The options of a stage with a YAML."""

    @property
    def run_folder(self) -> Path:
        """The run."""
        ...

    @property
    def settings(self) -> tuple[str, ...]:
        """Single settings as options of LightningCLI."""
        ...


def add_configuration_arguments(parser: argparse.ArgumentParser, shipped: str) -> None:
    """Declare ``--config`` and ``--seed``.

    Args:
        parser: The subcommand's parser.
        shipped: What the help calls the configuration that is always read first.
    """
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        type=path,
        metavar="YAML",
        help=f"overlay on {shipped}: only what differs; may be given several times",
    )
    parser.add_argument("--seed", type=SEED, metavar="N", help="seed of everything random (default: the YAML's)")


def configuration(request: Configured, shipped: str, settings: Sequence[str]) -> list[str]:
    """Arguments for `StageCLI`: the shipped YAML, the overlays, the seed and single settings; later ones win.

    Args:
        request: Parsed options, see `add_configuration_arguments`.
        shipped: Name of the shipped YAML, as ``field.yaml``.
        settings: Single settings as options of LightningCLI.

    Raises:
        ViewDistillError: A YAML is missing.
    """
    seed = [] if request.seed is None else [f"--seed_everything={request.seed}"]
    return [*configuration_files(request, shipped), *seed, *settings]


def configuration_files(request: Configured, shipped: str) -> list[str]:
    """The shipped YAML and the overlays, as options.

    Raises:
        ViewDistillError: A YAML is missing.
    """
    files = [resources.CONFIGS / shipped.removeprefix("configs/"), *overlays_of(request)]
    for file in files:
        if not file.is_file():
            raise ViewDistillError(f"{file}: no such configuration; the shipped ones are in {resources.CONFIGS}")
    return [f"--config={file}" for file in files]


def overlays_of(request: Configured) -> tuple[Path, ...]:
    """The overlays; of those that are shipped, as ``configs/presets/debug/field.yaml``, the shipped one."""
    return tuple(resources.find(overlay) for overlay in request.config)
