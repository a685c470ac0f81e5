"""`viewdistill class-images`: images of the object's class, sampled from the text-conditioned prior."""

import argparse
from pathlib import Path

SHIPPED = "configs/class_images.yaml"
"""The settings."""

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 8`; `--print_config` prints them all with
their values. A run that was stopped goes on with the next image that is not in the cache."""


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
    from commands.stages.configuration import configuration, print_configuration
    from commands.stages.requirements import require
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage

    folder = RunFolder(arguments.run_folder)
    meta = require(folder)
    seed = [] if arguments.seed is None else [f"--model.seed={arguments.seed}"]
    settings = configuration(arguments, SHIPPED, [f"--data.run_folder={folder.root}", *seed, *arguments.settings])
    if any(setting.startswith("--print_config") for setting in settings):
        print_configuration(settings)
        return
    with record_stage(folder.stage("class_images"), "class_images") as figures:
        # Imported here, so that the seconds it takes are counted.
        from commands.stages.fitting import StageRun
        from commands.stages.sampling import predict

        stage = StageRun(folder.stage("class_images"), f"{meta.name}-class-images", (folder.input_meta,))
        data = predict(stage, settings).datamodule
        figures.update(data.images.figures, sampled=len(data.missing))
    track_stage(folder, "class_images", uses=("input",))
