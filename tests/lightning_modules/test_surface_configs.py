"""Every shipped configuration of the surface stage parses and takes a real step with a tiny prior."""

from pathlib import Path

import numpy as np
import pytest

from commands.stages.fitting import StageCLI, StageRun
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

CONFIGS = REPOSITORY / "configs"
SMALL = [
    "--trainer.accelerator=cpu",
    "--trainer.fast_dev_run=true",
    "--trainer.logger=false",
    "--trainer.enable_progress_bar=false",
    "--model.init_args.view_size=8",
    "--model.init_args.eikonal_points=64",
    "--model.init_args.surface.n_samples_per_ray=32",
    "--model.init_args.surface.occupancy_resolution=16",
    "--model.init_args.surface.grid.log2_hashmap_size=10",
    "--data.init_args.rays_per_step=64",
    "--data.init_args.ring_views=2",
]


def build(folder: RunFolder, overlays: list[str], settings: list[str]) -> StageCLI:
    for index in range(2):
        save_view(folder.refined_views, index, np.full((8, 8, 4), 255, np.uint8))
    save_cameras(folder.refined_views, [ViewCamera(0.0, 20.0), ViewCamera(180.0, 0.0)])
    files = [CONFIGS / "surface.yaml", *(CONFIGS / "presets" / preset / "surface.yaml" for preset in overlays)]
    stage = StageRun(folder.stage("surface"), "disc-surface")
    return StageCLI(stage, [*(f"--config={file}" for file in files), f"--data.run_folder={folder.root}", *settings])


@pytest.mark.parametrize("overlays", [[], ["ablation"], ["debug"], ["zero123-xl"]])
def test_shipped_configuration_takes_a_step(
    run_folder: RunFolder, tiny_prior_folder: Path, overlays: list[str]
) -> None:
    precision = "fp32" if "zero123-xl" in overlays else "auto"  # fp16 convolutions are for GPUs
    prior = [
        f"--model.init_args.reference.text_prior={tiny_prior_folder / 'stable-diffusion'}",
        f"--model.init_args.reference.precision={precision}",
    ]
    cli = build(run_folder, overlays, [*prior, *SMALL])
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.trainer.global_step == 1
    for term in ("color", "mask", "eikonal", "reference_score"):
        assert cli.trainer.callback_metrics[f"loss/{term}"] > 0


def test_every_surface_preset_is_tested() -> None:
    presets = {path.parent.name for path in (CONFIGS / "presets").glob("*/surface.yaml")}
    assert presets == {"ablation", "debug", "zero123-xl"}


def test_unknown_setting_is_refused(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="referense"):
        build(run_folder, [], ["--model.init_args.referense.method=mse"])


def test_unknown_reference_is_refused(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="method"):
        build(run_folder, [], ["--model.init_args.reference.method=magic"])
