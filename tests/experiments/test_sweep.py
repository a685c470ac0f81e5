"""Sweeps without a service: the shipped one fits the field's settings, and every point is a run in one group."""

from pathlib import Path

import pytest

from datamodules.runs.run_folder import RunFolder, read_json
from experiments.running import sweep
from tests.commands.tracking.conftest import kept_in
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

# Of pytorch-lightning, about its own use of jsonargparse.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

TINY = """
name: tiny
method: grid
parameters:
  model.init_args.guidance.method: {value: none}
  model.init_args.input_rays: {values: [32, 64]}
  trainer.max_steps: {value: 1}
  trainer.accelerator: {value: cpu}
  trainer.limit_val_batches: {value: 0}
"""


def test_the_shipped_sweep_has_points_that_the_field_takes() -> None:
    shipped = sweep.load_sweep(Path("guidance"))
    assert [point["model.init_args.guidance.method"] for point in shipped.points()] == ["sds", "sds", "usd", "usd"]
    assert sweep.arguments(shipped.points()[3])[1] == "--model.init_args.guidance.scale=7.5"


def test_every_point_is_fitted_and_kept_as_a_run_of_the_group(
    run_folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    monkeypatch.delenv("WANDB_MODE")
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    debug = REPOSITORY / "configs" / "presets" / "debug" / "field.yaml"
    request = sweep.Request(path, run_folder.root, tmp_path / "out", (debug,))
    sweep.run(request)
    wandb.teardown()
    for index, rays in enumerate((32, 64)):
        folder = RunFolder(tmp_path / "out" / "tiny" / f"{index:02d}")
        assert read_json(folder.record("field"))["figures"]["steps"] == 1
        found = kept_in(folder.root)
        assert (found.run["run_group"], found.run["job_type"]) == ("tiny", "object")
        assert found.config["field"]["model"]["init_args"]["input_rays"] == rays


@pytest.mark.parametrize(
    ("change", "message"), [(("grid", "bayes"), "needs W&B's service; give grid"), (("name: tiny\n", ""), "name")]
)
def test_a_sweep_that_cannot_be_run_is_one_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.replace(*change))
    with pytest.raises(ViewDistillError, match=message):
        sweep.load_sweep(path)
