"""`viewdistill specialize`: teach the text-conditioned prior one object, in two stages of DreamBooth with LoRA."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamodules.run_folder import RunFolder

EPILOG = """\
Stage 1 teaches "a [V] {class}" with the input and the novel views; stage 2 goes on with the same LoRA and teaches
"a [S] [V] {class}" with the input alone. Every setting of the YAML can be given as an option, for example
`--trainer.max_steps 100`; `--print_config` prints them all with their values. A fit that was stopped resumes from its
last checkpoint, unless a setting, its inputs or the prior has changed since: then it starts again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with complete novel_views and class_images stages"
    )
    parser.add_argument("--stage", type=int, choices=(1, 2), required=True, help="which of the two stages")
    add_configuration_arguments(parser, "configs/specialize_1.yaml or _2.yaml")


def run(arguments: argparse.Namespace) -> None:
    """Fit, resume or confirm one stage.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    from commands.stages.configuration import configuration, print_configuration
    from commands.stages.requirements import require
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage

    folder = RunFolder(arguments.run_folder)
    first = arguments.stage == 1
    meta = require(folder, "novel_views", "class_images" if first else "specialize_1")
    name = f"specialize_{arguments.stage}"
    # The streams of noise and of images have seeds of their own, which one option sets together.
    seeds = [] if arguments.seed is None else [f"--model.seed={arguments.seed}", f"--data.seed={arguments.seed}"]
    lora = [] if first else [f"--model.initial_lora={folder.lora('specialize_1')}"]
    own = [f"--data.run_folder={folder.root}", *lora, *seeds, *arguments.settings]
    settings = configuration(arguments, f"configs/{name}.yaml", own)
    if any(setting.startswith("--print_config") for setting in settings):
        print_configuration(settings)
        return
    with record_stage(folder.stage(name), name) as figures:
        # Imported here, so that the seconds it takes are counted.
        from commands.stages.fitting import StageRun, fit

        stage = StageRun(folder.stage(name), f"{meta.name}-{name}", inputs=training_files(folder, first))
        figures.update(fit(stage, settings))
    track_stage(folder, name, uses=("input", "novel_views", "class_images" if first else "specialize_1"))


def training_files(folder: RunFolder, first: bool) -> tuple[Path, ...]:
    """What the fit of a stage reads of earlier ones."""
    from datamodules.class_images import ClassImages
    from datamodules.posed_views import load_cameras

    shared = (folder.rgba, *(path for path, _ in load_cameras(folder.novel_views)))
    if first:
        return (*shared, *ClassImages.load(folder).paths)
    return (*shared, folder.lora("specialize_1"), folder.prompts("specialize_1"))
