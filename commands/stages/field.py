"""`viewdistill field`: fit the radiance field of a run."""

import argparse
from dataclasses import dataclass

from commands.stages.configuration import StageRequest, add_stage_arguments
from commands.stages.fitting import fitted_job
from commands.stages.job import StageJob, run_stage
from commands.stages.live import add_live_argument, live_watchers

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--trainer.max_steps 100`; `--print_config`
prints them all with their values. A fit that was stopped resumes from its last checkpoint,
unless a setting, the input or a prior has changed since: then it starts again."""


@dataclass(frozen=True, kw_only=True)
class Request(StageRequest):
    """Options of the subcommand."""

    live: bool = False
    """Whether to show the field in a browser while it is fitted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_stage_arguments(parser, "a complete input stage", "configs/field.yaml")
    add_live_argument(parser)


def run(request: Request) -> None:
    """Fit, resume or confirm the field.

    Raises:
        ViewDistillError: The input stage is missing, a setting is wrong, or ``--live`` lacks viser.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: A setting is wrong, or ``--live`` lacks viser.
    """
    return fitted_job("field", request, (), live_watchers(request.live))
