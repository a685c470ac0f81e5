"""`viewdistill views`: renders of the field, refined by the specialised prior."""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import yaml

from commands.stages.cli import StageCLI
from commands.stages.configuration import (
    StageRequest,
    add_stage_arguments,
    overlays_of,
    own_settings,
)
from commands.stages.fitting import describe, resolve
from commands.stages.job import Report, StageJob, Work, run_stage
from commands.stages.sampling import predict
from datamodules.posed_views import clear_views, save_cameras, save_view, straight_rgba
from datamodules.rendered_views import FieldRenders
from datamodules.runs.run_folder import RunFolder
from datamodules.transforms import save_transforms
from lightning_modules.radiance_field import load_field

EPILOG = """\
Renders go to views/renders, refined views to views, both as folders of posed views; before_after.png shows both, and
views/transforms.json lists the refined ones for nerfstudio and instant-ngp.
Every setting of the YAML can be given as an option, for example `--model.refinement.timestep 300`; `--print_config`
prints them all with their values."""


class Request(StageRequest):
    """Options of the subcommand."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_stage_arguments(parser, "complete field and specialize_2 stages", "configs/views.yaml")


def run(request: Request) -> None:
    """Render the field, then refine the renders.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    run_stage(prepare(request))


def prepare(request: Request) -> StageJob:
    """Resolve the settings.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    folder = RunFolder(request.run_folder)
    seed = [] if request.seed is None else [f"--model.seed={request.seed}"]
    lora = own_settings("model", initial_lora=str(folder.lora("specialize_2")))
    cli = resolve("views", request, [own_settings("data", run_folder=str(folder.root)), lora, *seed, *request.settings])
    config = cli.dump()
    return StageJob(
        "views",
        folder,
        yaml.safe_load(config),
        partial(build, cli),
        config=config,
        overlays=overlays_of(request),
    )


def build(cli: StageCLI, report: Report | None) -> Work:
    """Build the prediction, and return the rendering and refining."""
    cli.instantiate(report=report)
    return partial(refine_renders, cli)


def refine_renders(cli: StageCLI) -> Mapping[str, Any]:
    """Render, then refine."""
    describe(cli)
    count = render_field(cli.datamodule, cli.trainer.strategy.root_device)
    predict(cli)
    save_transforms(cli.datamodule.run_folder.refined_views)
    return {"views": count}


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
