"""`viewdistill class-images`: images of the object's class, sampled from the text-conditioned prior."""

import argparse
from pathlib import Path
from typing import Any

from commands.stages.sampling import EPILOG as EPILOG

SHIPPED = "configs/class_images.yaml"
"""The settings."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete input stage, as runs/robot"
    )
    add_configuration_arguments(parser, SHIPPED)


def run(arguments: argparse.Namespace) -> None:
    """Sample the images that are not in the cache yet and record where they are.

    Raises:
        ViewDistillError: The input stage is missing, or a setting is wrong.
    """
    from commands.stages.requirements import require
    from commands.stages.sampling import build_sampler, sample_missing
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage

    folder = RunFolder(arguments.run_folder)
    meta = require(folder)
    if any(setting.startswith("--print_config") for setting in arguments.settings):
        from lightning_modules.class_images import ClassImageSampler

        build_sampler(ClassImageSampler, arguments, SHIPPED)  # prints them and ends the process
    with record_stage(folder.stage("class_images"), "class_images") as figures:
        # Imported here, so that the seconds it takes are counted.
        from commands.stages.fitting import StageRun, fingerprint, prepare
        from datamodules.class_images import ClassImages, folder_name
        from datamodules.prompts import Prompts
        from lightning_modules.class_images import ClassImageSampler

        sampler, config = build_sampler(ClassImageSampler, arguments, SHIPPED)
        stage = StageRun(folder.stage("class_images"), f"{meta.name}-class-images")
        prepare(stage, config)
        cached = sampler.cache / fingerprint(config, stage)[:16] / folder_name(meta.class_word)
        images = ClassImages(Prompts(sampler.template, meta.class_word), cached, sampler.count)
        figures["sampled"] = sample_missing(
            images.paths,
            sampler.batch_size,
            lambda indices: sampler.sample(images.prompts.of_class, indices),
            lambda index, rgb: save(images.paths[index], rgb),
        )
        figures.update(images.figures)
    track_stage(folder, "class_images", uses=("input",), overlays=arguments.config)


def save(path: Path, rgb: Any) -> None:
    """Write one image; runs of several objects may do so at once."""
    from PIL import Image

    from viewdistill.mesh.atomic import replacing

    with replacing(path) as temporary:
        Image.fromarray(rgb).save(temporary)
