"""`viewdistill surface` as users meet it, on a tiny scale."""

from pathlib import Path

import numpy as np
import pytest

from commands.parsing import parse
from commands.stages.configuration import REPOSITORY
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.run_folder import RunFolder, read_json, write_json
from lightning_modules.surface import load_surface
from viewdistill.errors import ViewDistillError

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
