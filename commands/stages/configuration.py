"""Options of the subcommands that run Lightning: one shipped YAML, overlays on it, and single settings last."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from commands.arguments import add_overlays_argument, add_run_argument
from commands.options import SEED
from viewdistill import resources
from viewdistill.errors import ViewDistillError


class Configured(Protocol):
    """What `add_configuration_arguments` asks for."""

    @property
    def config(self) -> Sequence[Path]:
        """Overlays on the shipped YAML."""
        ...

    @property
    def seed(self) -> int | None:
        """Seed of everything random; that of the YAML where none is given."""
        ...


@dataclass(frozen=True)
class StageRequest:
    """Options that all stages with a YAML share."""

    run_folder: Path
    """The run."""
    config: tuple[Path, ...] = ()
    """Overlays on the shipped YAML."""
    seed: int | None = None
    """Seed of everything random; the YAML's where none is given."""
    settings: tuple[str, ...] = ()
    """Single settings of the YAML, as options."""


def add_stage_arguments(parser: argparse.ArgumentParser, holds: str, shipped: str) -> None:
    """Declare RUN, ``--config`` and ``--seed``.

    Args:
        parser: The subcommand's parser.
        holds: What the run has to hold, as "a complete input stage".
        shipped: What the help calls the configuration that is always read first.
    """
    add_run_argument(parser, holds)
    add_configuration_arguments(parser, shipped)


def add_configuration_arguments(parser: argparse.ArgumentParser, shipped: str) -> None:
    """Declare ``--config`` and ``--seed``.

    Args:
        parser: The subcommand's parser.
        shipped: What the help calls the configuration that is always read first.
    """
    add_overlays_argument(parser, shipped)
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
