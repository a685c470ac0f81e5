"""`viewdistill class-images`: images of the object's class, sampled from the text-conditioned prior."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from commands.options import run_folder
from commands.stages.configuration import add_configuration_arguments, overlays_of
from commands.stages.job import Report, StageJob, run_stage
from commands.stages.sampling import EPILOG as EPILOG
from commands.stages.sampling import resolve_sampler, sample_missing
from datamodules.class_images import ClassImages, folder_name
from datamodules.prompts import Prompts
from datamodules.run_folder import InputMeta, RunFolder
from datamodules.staleness import stage_key
from lightning_modules.class_images import ClassImageSampler
from viewdistill.mesh.atomic import replacing


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
    sampler, config = resolve_sampler(ClassImageSampler, request, "class_images.yaml")
    settings = yaml.safe_load(config)
    # Objects of one class share images where these would be sampled alike.
    cached = sampler.cache / stage_key("class_images", settings, folder.root)[:16]
    return StageJob(
        "class_images",
        folder,
        settings,
        lambda report: partial(sample, sampler, folder, cached, report),
        outputs=lambda: class_images(sampler, folder, cached).paths,
        config=config,
        overlays=overlays_of(request),
    )


def class_images(sampler: ClassImageSampler, folder: RunFolder, cached: Path) -> ClassImages:
    """Where the images of the object's class are.

    Raises:
        ViewDistillError: The description of the input is missing or damaged.
    """
    word = InputMeta.load(folder.input_meta).class_word
    return ClassImages(Prompts(sampler.template, word), cached / folder_name(word), sampler.count)


def sample(sampler: ClassImageSampler, folder: RunFolder, cached: Path, report: Report | None) -> Mapping[str, Any]:
    """Sample the images that are missing."""
    images = class_images(sampler, folder, cached)
    sampled = sample_missing(
        images.paths,
        sampler.batch_size,
        lambda indices: sampler.sample(images.prompts.of_class, indices),
        lambda index, rgb: save(images.paths[index], rgb),
        report,
    )
    return {"sampled": sampled, **images.figures, "resumed": sampled < sampler.count}


def save(path: Path, rgb: Any) -> None:
    """Write one image; runs of several objects may do so at once."""
    with replacing(path) as temporary:
        Image.fromarray(rgb).save(temporary)
