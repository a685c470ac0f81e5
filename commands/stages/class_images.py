"""`viewdistill class-images`: images of the object's class, sampled from the text-conditioned prior."""

import argparse
from collections.abc import Mapping
from typing import Any

from commands.stages.cli import StageCLI
from commands.stages.configuration import StageRequest, add_stage_arguments
from commands.stages.job import StageJob, run_stage
from commands.stages.sampling import sampled_job
from datamodules.class_images import ClassImages
from datamodules.runs.run_folder import RunFolder

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 8`; `--print_config` prints them all with
their values. A run that was stopped goes on with the next image that is not in the cache."""


class Request(StageRequest):
    """Options of the subcommand."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_stage_arguments(parser, "a complete input stage", "configs/class_images.yaml")


def run(request: Request) -> None:
    """Sample the images that are not in the cache yet and record where they are.

    Raises:
        ViewDistillError: The input stage is missing, or a setting is wrong.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    folder = RunFolder(request.run_folder)
    return sampled_job("class_images", request, (), figures, outputs=lambda: ClassImages.recorded(folder).paths)


def figures(cli: StageCLI) -> Mapping[str, Any]:
    """Figures for the record: where the images are, and how many of them were sampled now."""
    data = cli.datamodule
    sampled = len(data.missing)
    return {**data.images.figures, "sampled": sampled, "resumed": sampled < data.count}
