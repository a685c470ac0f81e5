"""`viewdistill class-images`: images of the object's class, sampled from the text-conditioned prior."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.options import run_folder
from commands.stages.cli import StageCLI
from commands.stages.configuration import add_configuration_arguments
from commands.stages.job import StageJob, run_stage
from commands.stages.sampling import sampled_job
from datamodules.class_images import ClassImages
from datamodules.run_folder import RunFolder

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 8`; `--print_config` prints them all with
their values. A run that was stopped goes on with the next image that is not in the cache."""


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
    add_configuration_arguments(parser, "configs/class_images.yaml")


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
