"""The one run of an object: everything of all stages, read back from what is kept offline."""

import time
from pathlib import Path

import pytest

from commands.evaluation import evaluate
from commands.tracking.logger import Tracker
from commands.tracking.object import track_object
from datamodules.runs.curves import load_rows
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.runs.stages import STAGES
from datamodules.runs.staleness import keep_key
from tests.commands.tracking.conftest import Kept, kept_in
from tests.commands.tracking.wandb_service import wandb_service


def curve(found: Kept, name: str, step: str) -> list[tuple[int, float]]:
    """What a chart of the service draws."""
    items = [record["item"] for record in found.all("history")]
    return [(int(item[step]), float(item[name])) for item in items if name in item]


@pytest.mark.parametrize("times", [1, 2])
def test_one_run_holds_settings_curves_pictures_mesh_and_lineage(
    complete: RunFolder, offline: None, times: int
) -> None:
    for _ in range(times):  # the newer takes the place of the older
        track_object(complete)
    found = kept_in(complete.root)
    run = found.run
    assert (run["display_name"], run["run_group"], run["job_type"]) == ("disc", "runs", "object")
    assert found.config["field"]["model"]["rate"] == 0.1
    assert found.config["object"] == read_json(complete.input_meta)

    for stage in ("field", "specialize_1", "specialize_2", "surface"):
        expected = [(row.step, row.metrics["loss"]) for row in load_rows(complete.curves(stage))]
        assert curve(found, f"{stage}/loss", f"{stage}/step") == expected
        axes = {metric.get("glob_name") or metric["name"]: metric.get("step_metric") for metric in found.all("metric")}
        assert axes[f"{stage}/*"] == f"{stage}/step"

    shown = {key: value for record in found.all("history") for key, value in record["item"].items()}
    assert shown["mesh/mesh._type"] == "object3D-file"
    assert (found.folder / "files" / shown["mesh/mesh.path"]).read_bytes() == complete.glb.read_bytes()
    assert {shown[f"{name}._type"] for name in ("views/views", "novel_views/novel_views")} == {"table-file"}
    assert shown["input/input._type"] == shown["mesh/contact_sheet._type"] == "image-file"

    stages = {stage for stage in STAGES if complete.record(stage).is_file()}
    wrote = {name.removeprefix("disc-"): each["digest"] for name, each in found.artifacts(used=False).items()}
    assert wrote.keys() == stages
    lineage = found.config["lineage"]
    assert {stage: entry["wrote"]["digest"] for stage, entry in lineage.items()} == wrote
    assert lineage["mesh"]["uses"].keys() == {"input", "surface", "views"}
    assert lineage["mesh"]["uses"]["surface"]["digest"] == wrote["surface"]
    assert found.summary["surface/seconds"] == 12.5
    assert not any(name.startswith("scores/") for name in found.summary)


def test_an_evaluation_logs_its_scores_into_the_objects_run(complete: RunFolder, offline: None) -> None:
    track_object(complete)
    request = evaluate.Request(run_folder=complete.root, gt=complete.glb, size=16, protocols=("surface",))
    evaluate.run(request)
    found = kept_in(complete.root)
    (row,) = read_json(complete.evaluation)["geometry"]
    figures = {
        name: value["mean"] for name, value in row.items() if isinstance(value, dict) and value.get("mean") is not None
    }
    assert {"chamfer", "volume_iou"} <= figures.keys()
    assert {name: found.summary[f"scores/geometry/surface/{name}"] for name in figures} == figures
    assert any(key.endswith("/ssim") for key in found.summary if key.startswith("scores/views/"))


def test_where_wandb_is_disabled_nothing_is_kept(complete: RunFolder) -> None:
    track_object(complete)
    assert not (complete.root / "wandb").exists()


def test_a_damaged_file_ends_in_a_line(
    complete: RunFolder, offline: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    complete.curves("field").write_text("nonsense\n1\n")
    track_object(complete)
    assert capsys.readouterr().err.startswith("disc: W&B has only a part of it (")


def test_online_the_newer_run_takes_the_place_of_the_older(
    complete: RunFolder, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wandb_service() as service:
        for variable, value in {"MODE": "online", "BASE_URL": service.url, "API_KEY": "0" * 40}.items():
            monkeypatch.setenv(f"WANDB_{variable}", value)
        track_object(complete)
        track_object(complete)
        stages = {f"disc-{stage}" for stage in STAGES if complete.record(stage).is_file()}
        assert stages <= service.wrote["disc"]
        assert list(service.names.values()) == ["disc"]
        assert service.files["disc-mesh/object.glb"] == complete.glb.read_bytes()


def test_a_resumed_stage_goes_on_with_its_run_and_one_made_anew_does_not(tmp_path: Path, offline: None) -> None:
    folder = tmp_path / "runs" / "disc" / "field"
    folder.mkdir(parents=True)
    found: list[str] = []
    for key, loss in (("a", 2.0), ("a", 1.0), ("b", 3.0)):
        keep_key(folder, key)
        tracker = Tracker("disc-field", str(folder))
        tracker.log_metrics({"loss": loss}, step=len(found))
        found.append(tracker.experiment.id)
        tracker.experiment.finish()
        time.sleep(1.1)  # the folder of a run is named by its second
    assert found[0] == found[1] != found[2]
    first, second, _ = sorted(folder.glob("wandb/offline-run-*"))
    assert first.name.split("-")[-1] == second.name.split("-")[-1] == found[0]
