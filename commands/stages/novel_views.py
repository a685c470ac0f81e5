"""`viewdistill novel-views`: views of the object from all sides, sampled from the view-conditioned prior."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from commands.options import run_folder
from commands.stages.cli import StageCLI
from commands.stages.configuration import add_configuration_arguments
from commands.stages.job import StageJob, run_stage
from commands.stages.sampling import sampled_job
from datamodules.posed_views import clear_views
from datamodules.run_folder import RunFolder

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 8`; `--print_config` prints them all with
their values. A run that was stopped goes on with the next missing view, unless a setting, the input or a prior has
changed since: then it starts again."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """The run."""
    config: tuple[Path, ...] = ()
    """Overlays on the shipped YAML."""
    seed: int | None = None
    """Seed of everything random; the YAML's where none is given."""
    settings: tuple[str, ...] = ()
    """Single settings of the YAML, as options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=run_folder, metavar="RUN", help="run folder with a complete input stage, as runs/robot"
    )
    add_configuration_arguments(parser, "configs/novel_views.yaml")


def run(request: Request) -> None:
    """Sample the views that are missing and write them with their cameras.

    Raises:
        ViewDistillError: The input stage is missing, or a setting is wrong.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    views = RunFolder(request.run_folder).novel_views
    return sampled_job("novel_views", request, (), figures, discard=partial(clear_views, views))


def figures(cli: StageCLI) -> Mapping[str, Any]:
    """Figures for the record."""
    data = cli.datamodule
    return {"sampled": len(data.missing), "resumed": len(data.missing) < data.count}
