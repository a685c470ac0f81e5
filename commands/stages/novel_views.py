"""`viewdistill novel-views`: views of the object from all sides, sampled from the view-conditioned prior."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from commands.options import run_folder
from commands.stages.configuration import add_configuration_arguments, overlays_of
from commands.stages.job import Report, StageJob, run_stage
from commands.stages.sampling import EPILOG as EPILOG
from commands.stages.sampling import resolve_sampler, sample_missing
from datamodules.cameras import read_rgba
from datamodules.posed_views import ViewCamera, clear_views, save_cameras, save_view, view_name
from datamodules.run_folder import InputMeta, RunFolder
from lightning_modules.novel_views import NovelViewSampler
from viewdistill.metrics.images import over_white


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
    folder = RunFolder(request.run_folder)
    sampler, config = resolve_sampler(NovelViewSampler, request, "novel_views.yaml")
    return StageJob(
        "novel_views",
        folder,
        yaml.safe_load(config),
        lambda report: partial(sample, sampler, folder, report),
        discard=partial(clear_views, folder.novel_views),
        config=config,
        overlays=overlays_of(request),
    )


def sample(sampler: NovelViewSampler, folder: RunFolder, report: Report | None) -> Mapping[str, Any]:
    """Sample the views that are missing and write the cameras of all."""
    known = ViewCamera.of_input(InputMeta.load(folder.input_meta))
    image = over_white(read_rgba(folder.rgba)[None])
    sampled = sample_missing(
        [folder.novel_views / view_name(index) for index in range(sampler.count)],
        sampler.batch_size,
        lambda indices: sampler.sample(image, known, indices),
        lambda index, rgba: save_view(folder.novel_views, index, rgba),
        report,
    )
    save_cameras(folder.novel_views, sampler.cameras(known))
    return {"sampled": sampled, "resumed": sampled < sampler.count}
