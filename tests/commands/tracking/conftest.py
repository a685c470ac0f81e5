"""A tracked run, small, and a way to read back what W&B kept of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datamodules.runs.run_folder import RunFolder, read_json, write_json
from datamodules.runs.stage_record import stage_files
from tests.dreambooth_stages import finish_class_images
from tests.reported_run import box_mesh, complete_run


@dataclass(frozen=True)
class Kept:
    """What an offline run holds, as W&B's own reader tells it."""

    folder: Path
    """Of the run."""
    records: list[dict[str, Any]]
    """In the order in which they were written."""

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Records of a kind."""
        return [record[kind] for record in self.records if record["type"] == kind]

    @property
    def run(self) -> dict[str, Any]:
        """Name, group, job type, tags; the last word on each."""
        return {key: value for record in self.all("run") for key, value in record.items()}

    @property
    def config(self) -> dict[str, Any]:
        """All settings."""
        first = [record.get("config", {}) for record in self.all("run")]
        updates = [record.get("update", {}) for record in (*first, *self.all("config"))]
        return {key: value for update in updates for key, value in update.items()}

    @property
    def summary(self) -> dict[str, Any]:
        """Last values."""
        return {key: value for record in self.all("summary") for key, value in record.get("update", {}).items()}

    def artifacts(self, used: bool) -> dict[str, dict[str, Any]]:
        """Digest by name of the artifacts that the run used, or wrote; tables are not among them."""
        own = [record for record in self.all("artifact") if record["type"] != "run_table"]
        return {record["name"]: record for record in own if record.get("use_after_commit", False) == used}


def kept(folder: RunFolder, stage: str) -> Kept:
    """The one offline run of a stage."""
    return kept_in(folder.stage(stage))


def kept_in(place: Path) -> Kept:
    """The one offline run in a folder."""
    (run,) = place.glob("wandb/offline-run-*")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    # W&B's commands leave a folder `wandb` where they run.
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=run)
    lines = result.stdout.splitlines()
    return Kept(run, [json.loads(line) for line in lines])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are kept on disk, as they are by default."""
    import wandb

    monkeypatch.delenv("WANDB_MODE")
    yield
    wandb.teardown()


@pytest.fixture
def complete(run_folder: RunFolder, tmp_path: Path) -> RunFolder:
    """A run whose stages have all left files, with records that name them."""
    complete_run(run_folder, box_mesh())
    finish_class_images(run_folder, tmp_path / "cache")
    for stage in ("field", "surface"):
        (run_folder.stage(stage) / "last.ckpt").write_bytes(stage.encode() * 50_000)
    for stage in ("specialize_1", "specialize_2"):
        run_folder.lora(stage).write_bytes(stage.encode())
    run_folder.report.parent.mkdir()
    run_folder.report.write_text("<html></html>")
    run_folder.turntable.write_bytes(b"\0" * 1000)
    for stage in (*(path.parent.name for path in run_folder.root.glob("*/stage.json")), "report"):
        list_files(run_folder, stage)
    return run_folder


def list_files(folder: RunFolder, stage: str) -> None:
    """Bring the record of a stage up to date with its files."""
    path = folder.record(stage)
    known = read_json(path) if path.is_file() else {"stage": stage, "seconds": 1.5, "peak_memory_mb": 200.0}
    own = folder.stage(stage)
    files = {file.relative_to(own).as_posix(): file.stat().st_size for file in stage_files(own)}
    write_json(path, known | {"files": files})
