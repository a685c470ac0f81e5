"""`viewdistill views`: renders of the field, refined by the specialised prior."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datamodules.rendered_views import RenderedViews

EPILOG = """\
Renders go to views/renders, refined views to views, both as folders of posed views; before_after.png shows both.
Every setting of the YAML can be given as an option, for example `--model.refinement.timestep 300`; `--print_config`
prints them all with their values."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with complete field and specialize_2 stages"
    )
    add_configuration_arguments(parser, "configs/views.yaml")


def run(arguments: argparse.Namespace) -> None:
    """Render the field, then refine the renders.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    from commands.stages.configuration import configuration, print_configuration
    from commands.stages.requirements import require
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import RunFolder
    from datamodules.stage_record import record_stage

    folder = RunFolder(arguments.run_folder)
    meta = require(folder, "field", "specialize_2")
    seed = [] if arguments.seed is None else [f"--model.seed={arguments.seed}"]
    lora = folder.lora("specialize_2")
    own = [f"--data.run_folder={folder.root}", f"--model.initial_lora={lora}", *seed, *arguments.settings]
    settings = configuration(arguments, "configs/views.yaml", own)
    if any(setting.startswith("--print_config") for setting in settings):
        print_configuration(settings)
        return
    with record_stage(folder.refined_views, "views") as figures:
        # Imported here, so that the seconds it takes are counted.
        from commands.stages.fitting import StageRun, build

        stage = StageRun(folder.refined_views, f"{meta.name}-views", inputs=(folder.field_checkpoint, lora))
        cli = build(stage, settings)
        figures["views"] = render_field(cli.datamodule)
        cli.trainer.predict(cli.model, datamodule=cli.datamodule, return_predictions=False)
    track_stage(folder, "views", uses=("field", "specialize_2"))


def render_field(data: RenderedViews) -> int:
    """Render the fitted field from the cameras that will be refined, as a folder of posed views; gives their number."""
    import torch

    from datamodules.posed_views import clear_views, save_cameras, save_view, straight_rgba
    from lightning_modules.radiance_field import load_field

    folder, cameras = data.run_folder, data.cameras()
    field = load_field(folder, "cuda" if torch.cuda.is_available() else "cpu")
    clear_views(folder.raw_views)
    for index, camera in enumerate(cameras):
        view = field.render_views(camera.c2w[None], camera.fovy_deg, data.image_size)
        save_view(folder.raw_views, index, straight_rgba(view.rgb, view.opacity)[0])
    save_cameras(folder.raw_views, cameras)
    return len(cameras)
