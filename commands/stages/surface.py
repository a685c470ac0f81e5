"""`viewdistill surface`: fit a signed distance field to the views of a run."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from commands.options import run_folder
from commands.stages.configuration import add_configuration_arguments
from commands.stages.fitting import fitted_job
from commands.stages.job import StageJob, run_stage
from commands.stages.live import add_live_argument, live_watchers

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--model.reference.method mse`; `--print_config`
prints them all with their values. A fit that was stopped resumes from its last checkpoint,
unless a setting, a view or a prior has changed since: then it starts again."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """The run."""
    config: tuple[Path, ...] = ()
    """Overlays on the shipped YAML."""
    seed: int | None = None
    """Seed of everything random; the YAML's where none is given."""
    live: bool = False
    """Whether to show the field in a browser while it is fitted."""
    settings: tuple[str, ...] = ()
    """Single settings of the YAML, as options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=run_folder, metavar="RUN", help="run folder with a complete views stage, as runs/robot"
    )
    add_configuration_arguments(parser, "configs/surface.yaml")
    add_live_argument(parser)


def run(request: Request) -> None:
    """Fit, resume or confirm the surface.

    Raises:
        ViewDistillError: An earlier stage is missing, a setting is wrong, or ``--live`` lacks viser.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: A setting is wrong, or ``--live`` lacks viser.
    """
    return fitted_job("surface", request, (), live_watchers(request.live))
