"""`viewdistill novel-views`: views of the object from all sides, sampled from the view-conditioned prior."""

import argparse
from pathlib import Path

from commands.stages.sampling import EPILOG as EPILOG

SHIPPED = "configs/novel_views.yaml"
"""The settings."""


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
    from commands.stages.requirements import require
    from commands.stages.sampling import build_sampler, sample_missing
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage

    folder = RunFolder(arguments.run_folder)
    meta = require(folder)
    if any(setting.startswith("--print_config") for setting in arguments.settings):
        from lightning_modules.novel_views import NovelViewSampler

        build_sampler(NovelViewSampler, arguments, SHIPPED)  # prints them and ends the process
    with record_stage(folder.novel_views, "novel_views") as figures:
        # Imported here, so that the seconds it takes are counted.
        from commands.stages.fitting import StageRun, changed, prepare
        from datamodules.cameras import read_rgba
        from datamodules.posed_views import ViewCamera, clear_views, save_cameras, save_view, view_name
        from lightning_modules.novel_views import NovelViewSampler
        from viewdistill.metrics.images import over_white

        sampler, config = build_sampler(NovelViewSampler, arguments, SHIPPED)
        stage = StageRun(folder.novel_views, f"{meta.name}-novel-views", inputs=(folder.rgba, folder.input_meta))
        if changed(stage, config):
            clear_views(folder.novel_views)
        prepare(stage, config)
        image, known = over_white(read_rgba(folder.rgba)[None]), ViewCamera.of_input(meta)
        figures["sampled"] = sample_missing(
            [folder.novel_views / view_name(index) for index in range(sampler.count)],
            sampler.batch_size,
            lambda indices: sampler.sample(image, known, indices),
            lambda index, rgba: save_view(folder.novel_views, index, rgba),
        )
        save_cameras(folder.novel_views, sampler.cameras(known))
    track_stage(folder, "novel_views", uses=("input",), overlays=arguments.config)
