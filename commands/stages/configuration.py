"""Options of the subcommands that run Lightning: one shipped YAML, overlays on it, and single settings last."""

import argparse
from pathlib import Path

import viewdistill
from viewdistill.errors import ViewDistillError

REPOSITORY = Path(viewdistill.__file__).resolve().parent.parent
"""The folder that holds ``configs/`` and ``priors/``; the project is run from its repository."""


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
        type=Path,
        metavar="YAML",
        help=f"overlay on {shipped}: only what differs; may be given several times",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of everything random (default: the YAML's)")


def configuration(arguments: argparse.Namespace, shipped: str, settings: list[str]) -> list[str]:
    """Arguments for `StageCLI`: the shipped YAML, the overlays, the seed and single settings; later ones win.

    Args:
        arguments: Parsed options, see `add_configuration_arguments`.
        shipped: The shipped YAML, relative to the repository.
        settings: Single settings as options of LightningCLI.

    Raises:
        ViewDistillError: A YAML is missing.
    """
    seed = [] if arguments.seed is None else [f"--seed_everything={arguments.seed}"]
    return configuration_files(arguments, shipped) + seed + settings


def configuration_files(arguments: argparse.Namespace, shipped: str) -> list[str]:
    """The shipped YAML and the overlays, as options.

    Raises:
        ViewDistillError: A YAML is missing.
    """
    files: list[Path] = [REPOSITORY / shipped, *arguments.config]
    for path in files:
        if not path.is_file():
            raise ViewDistillError(f"{path}: no such configuration; the shipped ones are in {REPOSITORY / 'configs'}")
    return [f"--config={path}" for path in files]


def print_configuration(settings: list[str]) -> None:
    """Print the resolved configuration as YAML, without touching a stage's files; ends the process with status 0."""
    from commands.stages.fitting import StageCLI, StageRun

    StageCLI(StageRun(Path("runs"), "print"), settings)
