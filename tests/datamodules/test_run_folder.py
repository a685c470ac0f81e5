"""Files of a run: whole or absent, read back as written, refused when damaged."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from datamodules.runs.run_folder import InputMeta, RunFolder, atomic_path, read_json, write_json
from datamodules.runs.stage_record import record_stage
from viewdistill.errors import ViewDistillError

META = InputMeta(name="robot", elevation_deg=15.0, framing="kept", source="examples/robot.png", seed=3)


def test_a_file_appears_only_when_its_block_ends_well(tmp_path: Path):
    path = tmp_path / "deep" / "a.txt"
    with atomic_path(path) as partial:
        partial.write_text("new")
        assert partial.parent == path.parent
        assert partial.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_process_left_is_written_over(tmp_path: Path):
    (tmp_path / ".partial-a.txt").write_text("left by a killed process, and longer")
    with atomic_path(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "new")]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(ViewDistillError, match="runs"), atomic_path(tmp_path / "runs" / "a.txt"):
        raise AssertionError("the block must not be entered")


def test_input_description_comes_back(tmp_path: Path):
    path = RunFolder(tmp_path / "robot").input_meta
    META.save(path)
    assert InputMeta.load(path) == META
    content = json.loads(path.read_text())
    assert (content["azimuth_deg"], content["distance"], content["fovy_deg"]) == (0.0, 1.5, 49.134)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "x"}', '"robot"'])
def test_a_damaged_description_is_named(tmp_path: Path, text: str):
    path = tmp_path / "meta.json"
    path.write_text(text)
    with pytest.raises(ViewDistillError, match=r"meta\.json"):
        InputMeta.load(path)


def test_an_unknown_entry_is_refused(tmp_path: Path):
    META.save(tmp_path / "meta.json")
    write_json(tmp_path / "meta.json", {**read_json(tmp_path / "meta.json"), "fov": 3})
    with pytest.raises(ViewDistillError, match="fov: unknown key; known keys: name, "):
        InputMeta.load(tmp_path / "meta.json")


def test_a_stage_is_recorded_last_and_with_its_files(tmp_path: Path):
    folder = RunFolder(tmp_path).stage("mesh")
    with record_stage(folder, "mesh") as figures:
        assert not RunFolder(tmp_path).record("mesh").exists()
        (folder / "object.glb").write_bytes(b"12345")
        (folder / "wandb").mkdir()
        (folder / "wandb" / "log").write_text("the tracker's own")
        (folder / ".settings").write_text("hidden")
        figures["faces"] = 12
    record = read_json(RunFolder(tmp_path).record("mesh"))
    assert record["files"] == {"object.glb": 5}
    assert record["figures"] == {"faces": 12}
    assert record["stage"] == "mesh"
    assert 0 <= record["seconds"] < 5
    assert 10 < record["peak_memory_mb"] < 100_000


def test_a_stage_that_fails_loses_its_earlier_record(tmp_path: Path):
    with record_stage(tmp_path, "field"):
        (tmp_path / "last.ckpt").write_text("")
    with pytest.raises(RuntimeError), record_stage(tmp_path, "field"):
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_costs_add_up_over_attempts_that_go_on_from_each_other(tmp_path: Path):
    def stopped() -> None:
        with record_stage(tmp_path, "field", "a"):
            time.sleep(0.2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    with record_stage(tmp_path, "field", "a") as figures:
        figures["resumed"] = True
    record = read_json(tmp_path / "stage.json")
    assert record["attempts"] == 2
    assert 0.2 <= record["seconds"] < 5
    for key, resumed in (("a", False), ("b", True)):  # begun anew, or with other settings
        with record_stage(tmp_path, "field", key) as figures:
            figures["resumed"] = resumed
        record = read_json(tmp_path / "stage.json")
        assert (record["attempts"], record["seconds"] < 0.2) == (1, True)


def test_the_peak_memory_of_a_stage_is_its_own_in_a_process_that_does_several(tmp_path: Path):
    with record_stage(tmp_path / "large", "field"):
        block = np.ones(40_000_000)  # 320 MB
        del block
    with record_stage(tmp_path / "small", "mesh"):
        pass
    large, small = (read_json(tmp_path / name / "stage.json")["peak_memory_mb"] for name in ("large", "small"))
    assert large - small > 250
