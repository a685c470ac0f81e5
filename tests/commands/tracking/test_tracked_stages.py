"""What W&B keeps of single stages, what that costs, and that nothing of it can spoil a stage."""

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from commands.main import main
from commands.reporting import report
from commands.tracking.artifacts import artifact_name
from commands.tracking.run import RunDescription, start_run
from commands.tracking.stage import track_stage
from commands.tracking.tags import run_tags
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.runs.stage_record import record_stage
from tests.commands.tracking.conftest import kept, list_files
from viewdistill.resources import REPOSITORY


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def md5(path: Path) -> str:
    return base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode()


def test_a_mesh_can_be_orbited_and_its_files_are_held_where_they_lie(complete: RunFolder, offline: None):
    before = size(complete.root)
    track_stage(complete, "mesh", ("input", "surface", "views"), {"faces": 99}, tags=("source:surface",))
    found = kept(complete, "mesh")
    assert (found.run["display_name"], found.run["run_group"], found.run["job_type"]) == ("disc-mesh", "disc", "mesh")
    assert found.run["tags"] == ["source:surface"]
    assert found.config["faces"] == 99
    assert found.config["input"] == read_json(complete.input_meta)
    assert (found.summary["seconds"], found.summary["faces"]) == (
        12.5,
        read_json(complete.record("mesh"))["figures"]["faces"],
    )
    (shown,) = found.all("history")
    assert shown["item"]["mesh._type"] == "object3D-file"
    assert (found.folder / "files" / shown["item"]["mesh.path"]).read_bytes() == complete.glb.read_bytes()
    assert shown["item"]["contact_sheet._type"] == "image-file"
    assert shown["item"]["turntable._type"] == "video-file"

    assert found.artifacts(used=False).keys() == {"disc-mesh"}
    files = found.artifacts(used=False)["disc-mesh"]["manifest"]["contents"]
    assert {file["path"]: file["local_path"] for file in files} == {
        name: str(complete.stage("mesh") / name) for name in read_json(complete.record("mesh"))["files"]
    }
    assert {file["path"]: file["digest"] for file in files}["object.glb"] == md5(complete.glb)
    assert found.artifacts(used=True).keys() == {"disc-input", "disc-surface", "disc-views"}

    # Three artifacts hold half a megabyte of checkpoint; the run folder grows by its media and some 100 kB.
    assert size(complete.stage("surface")) > 300_000
    media = complete.glb.stat().st_size + complete.turntable.stat().st_size + complete.contact_sheet.stat().st_size
    assert media <= size(complete.root) - before < media + 100_000


def test_views_are_a_table_with_their_cameras(complete: RunFolder, offline: None):
    before = size(complete.root)
    track_stage(complete, "views", ("field", "specialize_2"))
    found = kept(complete, "views")
    (table,) = found.folder.glob("files/media/table/views_*.table.json")
    content = read_json(table)
    assert content["columns"] == [
        "view",
        "input",
        "render",
        "refined",
        "azimuth_deg",
        "elevation_deg",
        "distance",
        "fovy_deg",
    ]
    assert [row[0] for row in content["data"]] == ["000.png", "001.png", "002.png"]
    assert content["data"][1][4:] == [120.0, 10.0, 1.5, 49.134]
    (pictures,) = [record for record in found.all("artifact") if record["type"] == "run_table"]
    digests = {file["digest"] for file in pictures["manifest"]["contents"]}
    shown = [complete.rgba, *complete.raw_views.glob("*.png"), *complete.refined_views.glob("0*.png")]
    assert {md5(path) for path in shown} <= digests
    # Staged within the run folder, not in the user's home.
    assert all(Path(file["local_path"]).is_relative_to(complete.root) for file in pictures["manifest"]["contents"])
    assert size(complete.root) - before < 3 * sum(path.stat().st_size for path in shown) + 100_000


def test_the_report_says_what_every_stage_cost(complete: RunFolder, offline: None):
    report.run(report.Request(run_folder=complete.root))
    found = kept(complete, "report")
    (table,) = found.folder.glob("files/media/table/timings_*.table.json")
    rows = {row[0]: row[1:] for row in read_json(table)["data"]}
    assert len(rows) == 10
    assert rows["surface"][:2] == [12.5, 1500.0]
    assert rows["surface"][2] == pytest.approx(sum(read_json(complete.record("surface"))["files"].values()) / 1e6)
    assert len(found.artifacts(used=True)) == 9


def test_class_images_are_taken_from_their_cache(complete: RunFolder, offline: None):
    track_stage(complete, "class_images", ("input",))
    found = kept(complete, "class_images")
    files = found.artifacts(used=False)["disc-class_images"]["manifest"]["contents"]
    assert [file["path"] for file in files] == ["images/000.png", "images/001.png", "images/002.png"]
    assert found.all("history")[0]["item"]["class_images.count"] == 3


def test_a_picture_made_from_words_is_what_the_input_used(tmp_path: Path, offline: None):
    folder = RunFolder(tmp_path / "mug")
    with record_stage(folder.stage("picture"), "picture"):
        picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        picture.paste((200, 30, 30, 255), (10, 20, 50, 40))
        picture.save(folder.picture)
        picture.save(folder.candidates)
    track_stage(folder, "picture")
    given = ["--out", str(folder.root), "--no-estimate-elevation", "--class-word", "mug"]
    assert main(["input", str(folder.picture), *given]) == 0
    made, used = kept(folder, "picture").artifacts(used=False), kept(folder, "input").artifacts(used=True)
    assert {"mug-picture"} == set(made) == set(used)
    assert made["mug-picture"]["digest"] == used["mug-picture"]["digest"]
    assert kept(folder, "picture").all("history")[0]["item"]["picture._type"] == "image-file"


def test_equal_files_have_equal_digests_and_others_do_not(complete: RunFolder, offline: None):
    track_stage(complete, "surface", ("views",))
    track_stage(complete, "mesh", ("surface",))
    first = kept(complete, "mesh").artifacts(used=True)["disc-surface"]["digest"]
    assert kept(complete, "surface").artifacts(used=False)["disc-surface"]["digest"] == first
    (complete.stage("surface") / "last.ckpt").write_bytes(b"another")
    list_files(complete, "surface")
    track_stage(complete, "novel_views", ("surface",))
    assert kept(complete, "novel_views").artifacts(used=True)["disc-surface"]["digest"] != first


def test_a_fit_without_a_tracker_is_not_tracked(complete: RunFolder, offline: None):
    complete.config("surface").write_text("trainer: {logger: false}\n")
    track_stage(complete, "surface", ("views",))
    assert not (complete.stage("surface") / "wandb").exists()


def test_where_wandb_is_disabled_it_is_not_even_imported(complete: RunFolder):
    code = (
        "import sys; from pathlib import Path; from datamodules.runs.run_folder import RunFolder;"
        "from commands.tracking.stage import track_stage;"
        f"track_stage(RunFolder(Path({str(complete.root)!r})), 'mesh', ('surface',)); print('wandb' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert result.stdout == "False\n"
    assert not (complete.stage("mesh") / "wandb").exists()


def test_whatever_wandb_raises_ends_in_a_line(
    complete: RunFolder, offline: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left\nin two lines")

    monkeypatch.setattr("wandb.Artifact.add_file", broken)
    track_stage(complete, "mesh", ("surface",))
    assert capsys.readouterr().err == "mesh: W&B has only a part of it (no space left)\n"
    import wandb

    assert wandb.run is None  # finished all the same


def test_a_run_that_cannot_be_started_is_replaced_by_one_that_keeps_nothing(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import wandb

    start = wandb.init

    def no_service(*_: object, mode: str, **settings: object) -> object:
        if mode != "disabled":
            raise RuntimeError("the service did not start")
        return start(mode="disabled")

    monkeypatch.setattr("wandb.init", no_service)
    run = start_run(RunDescription("disc-mesh", tmp_path, "disc", "mesh"))
    run.log({"loss": 1.0})
    assert run.disabled
    assert capsys.readouterr().err == "disc-mesh: W&B failed (the service did not start); this run is not kept\n"
    run.finish()


@pytest.mark.parametrize(
    ("name", "expected"), [("robot", "robot-mesh"), ("my mug", r"my_mug-\w{8}-mesh"), ("ü", r"_-\w{8}-mesh")]
)
def test_artifacts_have_names_that_wandb_allows(tmp_path: Path, name: str, expected: str):
    assert re.fullmatch(expected, artifact_name(RunFolder(tmp_path / name), "mesh"))


def test_tags_name_preset_method_and_the_content_of_priors(tmp_path: Path):
    for folder in (tmp_path / "prior", tmp_path / "runs" / "robot" / "lora"):
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"one")
    settings = {
        "model": {"init_args": {"prior": str(tmp_path / "prior"), "guidance": {"method": "usd"}}},
        "lora": str(tmp_path / "runs" / "robot" / "lora"),
        "words": ["a mug", ""],
    }
    overlays = [Path("configs/field.yaml"), Path("configs/presets/debug/field.yaml")]
    tags = run_tags(settings, overlays, tmp_path / "runs" / "robot")
    assert tags[:2] == ("preset:debug", "method:usd")
    assert len(tags) == 3
    assert tags[2].startswith("prior:")
    (tmp_path / "prior" / "weights.safetensors").write_bytes(b"two")
    assert run_tags(settings, overlays, tmp_path / "runs" / "robot")[2] != tags[2]
