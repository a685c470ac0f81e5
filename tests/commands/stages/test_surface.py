"""`viewdistill surface` as users meet it, on a tiny scale."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from commands.main import main
from commands.parsing import parse
from commands.tracking.short_names import TENSORBOARD
from datamodules.posed_views import ViewCamera, load_views, save_cameras, save_view, straight_rgba
from datamodules.runs.run_folder import RunFolder, read_json, write_json
from datamodules.transforms import save_transforms
from lightning_modules.surface import load_surface
from tests.reported_run import box_mesh
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.raster import render_mesh
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

OPTIONS = [
    "--trainer.accelerator=cpu",
    "--trainer.max_steps=3",
    "--trainer.logger=false",
    "--trainer.limit_val_batches=0",
    "--model.init_args.reference.method=none",
]


def command(folder: RunFolder, *settings: str) -> None:
    """What `main` does, without turning errors into a status."""
    debug = REPOSITORY / "configs" / "presets" / "debug" / "surface.yaml"
    parse(["surface", str(folder.root), f"--config={debug}", *OPTIONS, *settings])()


@pytest.fixture
def with_views(run_folder: RunFolder) -> RunFolder:
    for index in range(2):
        save_view(run_folder.refined_views, index, np.full((8, 8, 4), 255, np.uint8))
    save_cameras(run_folder.refined_views, [ViewCamera(0.0, 20.0), ViewCamera(180.0, 0.0)])
    write_json(run_folder.record("views"), {})
    return run_folder


def test_a_surface_is_fitted_recorded_confirmed_and_made_again_when_a_view_changes(
    with_views: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    command(with_views)
    record = read_json(with_views.record("surface"))
    assert record["figures"]["steps"] == 3
    assert "last.ckpt" in record["files"]
    assert load_surface(with_views).radius == 0.65

    command(with_views)
    assert "resuming after step 3" in capsys.readouterr().out

    save_view(with_views.refined_views, 0, np.full((8, 8, 4), 100, np.uint8))
    command(with_views)
    assert "have changed; starting again" in capsys.readouterr().out
    assert read_json(with_views.record("surface"))["figures"]["resumed_from_step"] == 0


@pytest.mark.parametrize("stage", ["input", "views"])
def test_an_earlier_stage_that_is_missing_is_named(with_views: RunFolder, stage: str, tmp_path: Path) -> None:
    with_views.record(stage).unlink()
    with pytest.raises(ViewDistillError, match=f"no complete {stage} stage here; run `viewdistill {stage}"):
        command(with_views)
    assert not with_views.stage("surface").exists()


def test_a_logger_is_chosen_by_one_word(with_views: RunFolder) -> None:
    command(with_views, "--trainer.logger=csv", "--trainer.log_every_n_steps=1")
    (found,) = with_views.stage("surface").glob("csv/metrics.csv")
    assert "loss" in found.read_text().splitlines()[0].split(",")


@pytest.mark.skipif(any(map(importlib.util.find_spec, TENSORBOARD)), reason="TensorBoard is installed")
def test_a_missing_tensorboard_is_one_line_with_the_command(with_views: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="not installed; run `pip install tensorboard`, or take csv"):
        command(with_views, "--trainer.logger", "tensorboard")


def test_a_surface_is_fitted_to_posed_pictures_in_a_new_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh, pictures = box_mesh(), tmp_path / "pictures"
    cameras = [ViewCamera(120.0 * index, 20.0) for index in range(3)]
    for index, camera in enumerate(cameras):
        view = render_mesh(mesh, camera.c2w[None], camera.fovy_deg, 32)
        save_view(pictures, index, straight_rgba(torch.from_numpy(view.rgb[0]), torch.from_numpy(view.alpha[0])))
    save_cameras(pictures, cameras)
    save_transforms(pictures)
    folder, images = RunFolder(tmp_path / "box"), ("--images", str(pictures / "transforms.json"))
    command(folder, *images)
    assert read_json(folder.record("surface"))["figures"]["steps"] == 3
    assert len(load_views(folder.refined_views).cameras) == 3
    before = folder.record("views").stat().st_mtime_ns
    command(folder, *images)
    assert folder.record("views").stat().st_mtime_ns == before
    assert "resuming after step 3" in capsys.readouterr().out
    save_view(pictures, 1, np.array(Image.open(pictures / "002.png")))
    command(folder, *images)
    assert "have changed; starting again" in capsys.readouterr().out


def test_posed_pictures_do_not_take_the_place_of_a_runs_own_views(with_views: RunFolder) -> None:
    save_transforms(with_views.refined_views)
    with pytest.raises(ViewDistillError, match="has its own input stage; give another run folder"):
        command(with_views, "--images", str(with_views.refined_views / "transforms.json"))


def test_the_settings_are_printed_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["surface", str(tmp_path / "none"), "--print_config"])
    assert "normal_smoothness" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()
