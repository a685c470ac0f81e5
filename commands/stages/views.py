"""`viewdistill views`: renders of the field, refined by the specialised prior."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from commands.options import run_folder
from commands.stages.configuration import add_configuration_arguments
from commands.stages.job import run_stage
from datamodules.posed_views import clear_views, save_cameras, save_view, straight_rgba
from lightning_modules.radiance_field import load_field

EPILOG = """\
Renders go to views/renders, refined views to views, both as folders of posed views; before_after.png shows both.
Every setting of the YAML can be given as an option, for example `--model.refinement.timestep 300`; `--print_config`
prints them all with their values."""


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
        "run_folder", type=run_folder, metavar="RUN", help="run folder with complete field and specialize_2 stages"
    )
    add_configuration_arguments(parser, "configs/views.yaml")


def run(request: Request) -> None:
    """Render the field, then refine the renders.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    run_stage(prepare(request))


def render_field(data: FieldRenders, device: torch.device) -> int:
    """Render the fitted field from the cameras that will be refined, as a folder of posed views; gives their number."""
    folder, cameras = data.run_folder, data.cameras()
    field = load_field(folder, str(device))
    clear_views(folder.raw_views)
    for index, camera in enumerate(cameras):
        view = field.render_views(camera.c2w[None], camera.fovy_deg, data.image_size)
        save_view(folder.raw_views, index, straight_rgba(view.rgb, view.opacity)[0])
    save_cameras(folder.raw_views, cameras)
    return len(cameras)
