"""`viewdistill novel-views`: views of the object from all sides, sampled from the view-conditioned prior."""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

from commands.stages.cli import StageCLI
from commands.stages.configuration import StageRequest, add_stage_arguments
from commands.stages.job import StageJob, run_stage
from commands.stages.sampling import sampled_job
from datamodules.posed_views import clear_views
from datamodules.runs.run_folder import RunFolder

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 8`; `--print_config` prints them all with
their values. A run that was stopped goes on with the next missing view, unless a setting, the input or a prior has
changed since: then it starts again."""


class Request(StageRequest):
    """Options of the subcommand."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_stage_arguments(parser, "a complete input stage", "configs/novel_views.yaml")


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
