"""`viewdistill surface`: fit a signed distance field to the views of a run."""

import argparse
from pathlib import Path

EPILOG = """\
Every setting of the YAML can be given as an option, for example `--model.reference.method mse`; `--print_config`
prints them all with their values. A fit that was stopped resumes from its last checkpoint,
unless a setting, a view or a prior has changed since: then it starts again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments
    from commands.stages.live import add_live_argument

    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete views stage, as runs/robot"
    )
    add_configuration_arguments(parser, "configs/surface.yaml")
    add_live_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Fit, resume or confirm the surface.

    Raises:
        ViewDistillError: An earlier stage is missing, a setting is wrong, or ``--live`` lacks viser.
    """
    from commands.stages.configuration import configuration, print_configuration
    from commands.stages.live import live_watchers
    from commands.stages.requirements import require
    from commands.tracking.stage import track_stage
    from datamodules.posed_views import CAMERAS_FILE, load_cameras
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage

    folder = RunFolder(arguments.run_folder)
    meta = require(folder, "views")
    # The streams of noise and of rays have seeds of their own, which one option sets together.
    seeds = [] if arguments.seed is None else [f"--model.seed={arguments.seed}", f"--data.seed={arguments.seed}"]
    own = [f"--data.run_folder={folder.root}", *seeds, *arguments.settings]
    settings = configuration(arguments, "configs/surface.yaml", own)
    if any(setting.startswith("--print_config") for setting in settings):
        print_configuration(settings)
        return
    watchers = live_watchers(arguments)
    with record_stage(folder.stage("surface"), "surface") as figures:
        # Imported here, so that the seconds it takes are counted.
        from commands.stages.fitting import StageRun, fit

        images = [path for path, _ in load_cameras(folder.refined_views)]
        inputs = (folder.rgba, folder.input_meta, folder.refined_views / CAMERAS_FILE, *images)
        stage = StageRun(folder.stage("surface"), f"{meta.name}-surface", inputs=inputs)
        figures.update(fit(stage, settings, watchers))
    track_stage(folder, "surface", uses=("input", "views"))
