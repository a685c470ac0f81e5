"""Options of the subcommands that run Lightning: one shipped YAML, overlays on it, and single settings last."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from commands.arguments import add_overlays_argument, add_run_argument
from commands.options import SEED
from viewdistill import resources
from viewdistill.documents import read_yaml
from viewdistill.errors import ViewDistillError


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
        check_configuration(file)
    return [f"--config={file}" for file in files]


def check_configuration(file: Path) -> None:
    """Make sure that a YAML can be read, within the bounds of side files, before another library reads it.

    Raises:
        ViewDistillError: It is missing, is no YAML, or is not of settings by name.
    """
    if not file.is_file():
        raise ViewDistillError(f"{file}: no such configuration; the shipped ones are in {resources.CONFIGS}")
    content = read_yaml(file)
    if content is not None and not isinstance(content, dict):
        raise ViewDistillError(f"{file}: holds no settings by name; fix it")


def own_settings(section: str, **values: object) -> str:
    """Settings that follow from the run, as an option of LightningCLI that takes every text at its word.

    As an option of its own, a text such as ``null`` or ``[1]`` would be read as YAML.

    Args:
        section: ``model`` or ``data``.
        values: Settings by name.
    """
    content = yaml.safe_dump({section: {"init_args": values}}, default_flow_style=True, width=10**9)
    return f"--config={content.strip()}"


def overlays_of(request: Configured) -> tuple[Path, ...]:
    """The overlays; of those that are shipped, as ``configs/presets/debug/field.yaml``, the shipped one."""
    return tuple(resources.find(overlay) for overlay in request.config)
