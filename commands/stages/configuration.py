"""Options of the subcommands that run Lightning: one shipped YAML, overlays on it, and single settings last."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import yaml

from commands.options import SEED, path
from viewdistill import resources
from viewdistill.documents import read_yaml
from viewdistill.errors import ViewDistillError

REPOSITORY = Path(resources.__file__).resolve().parent.parent
"""The folder that holds the packages: the repository, or where the wheel was installed."""


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
        raise ViewDistillError(f"{file}: holds no settings by name; mend it")


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
