"""`viewdistill novel-views`: views of the object from all sides, sampled from the view-conditioned prior."""

import argparse
from pathlib import Path

SHIPPED = "configs/novel_views.yaml"
"""The settings."""

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--data.count 8`; `--print_config` prints them all with
their values. A run that was stopped goes on with the next missing view, unless a setting, the input or a prior has
changed since: then it starts again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete input stage, as runs/robot"
    )
    add_configuration_arguments(parser, SHIPPED)


def run(arguments: argparse.Namespace) -> None:
    """Sample the views that are missing and write them with their cameras.

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
    with record_stage(folder.novel_views, "novel_views") as figures:
        # Imported here, so that the seconds it takes are counted.
        from commands.stages.fitting import StageRun
        from commands.stages.sampling import predict

        inputs, products = (folder.rgba, folder.input_meta), ("cameras.json", "[0-9][0-9][0-9].png")
        stage = StageRun(folder.novel_views, f"{meta.name}-novel-views", inputs, products=products)
        figures["sampled"] = len(predict(stage, settings).datamodule.missing)
    track_stage(folder, "novel_views", uses=("input",))
