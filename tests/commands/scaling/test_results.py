"""Results in a shared folder and behind a URL: what counts as complete, and how files get there and back."""

from pathlib import Path

import pytest

from commands.scaling.results import PROGRESS, RemoteFolder, SharedFolder, results_at
from datamodules.runs.run_folder import RunFolder, write_json
from viewdistill.errors import ViewDistillError


@pytest.fixture(params=["folder", "url"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    place = tmp_path / "out put"
    return str(place) if request.param == "folder" else f"file://{place}"


def work(folder: RunFolder, stage: str, content: str, *names: str) -> None:
    for name in names:
        path = folder.stage(stage) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    write_json(folder.record(stage), {"stage": stage, "made of": content})


def test_files_and_progress_come_back_in_another_process(out: str, tmp_path: Path) -> None:
    first = results_at(out)
    assert isinstance(first, RemoteFolder if "://" in out else SharedFolder)
    assert first.progress("mug") == {}
    with first.workspace("mug") as folder:
        work(folder, "mesh", "old", "object.glb", "gone/later.png")
        first.keep(folder, "mesh")
        first.save_progress("mug", {"mesh": "key"})
        (folder.root / "summary.json").write_text("{}")
        first.keep(folder, None)

    again = results_at(out)
    assert again.progress("mug") == {"mesh": "key"}
    assert again.progress("cup") == {}
    with again.workspace("mug") as folder:
        again.fetch(folder, "mesh")
        assert (folder.stage("mesh") / "object.glb").read_text() == "old"
        assert (folder.stage("mesh") / "gone/later.png").read_text() == "old"
        (folder.stage("mesh") / "gone/later.png").unlink()
        work(folder, "mesh", "new", "object.glb")
        again.keep(folder, "mesh")
    files = {path.relative_to(tmp_path / "out put/mug").as_posix() for path in tmp_path.rglob("mug/**/*.*")}
    assert files == {PROGRESS, "summary.json", "mesh/object.glb", "mesh/stage.json"}
    assert (tmp_path / "out put/mug/mesh/object.glb").read_text() == "new"


def test_damaged_progress_counts_as_none(out: str, tmp_path: Path) -> None:
    results = results_at(out)
    path = tmp_path / "out put" / "mug" / PROGRESS
    path.parent.mkdir(parents=True)
    for content in ("", "{", "[]", '{"stages": 3}', '{"stages": null}', "\x00"):
        path.write_text(content)
        assert results.progress("mug") == {}


def test_a_stage_that_was_run_since_or_is_gone_counts_no_more(tmp_path: Path) -> None:
    results, folder = SharedFolder(tmp_path), RunFolder(tmp_path / "mug")
    for stage in ("field", "mesh"):
        work(folder, stage, "first")
    results.save_progress("mug", {"field": "1", "mesh": "2"})
    assert results.progress("mug") == {"field": "1", "mesh": "2"}
    work(folder, "field", "second")  # by `make object`, with other settings
    assert results.progress("mug") == {"mesh": "2"}
    folder.record("mesh").unlink()
    assert results.progress("mug") == {}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("memory://runs", "its own memory"),
        ("nowhere://runs", "cannot be used"),
        ("hdfs://", "cannot be used"),
    ],
)
def test_urls_that_cannot_hold_results(url: str, problem: str) -> None:
    with pytest.raises(ViewDistillError, match=problem):
        results_at(url)
