"""Results of a batch: a folder that all workers share, or an fsspec URL (s3://…, gs://…, file://…).

``objects.json`` in an object's folder lists the complete stages and the keys of their inputs. A stage is removed from
it before its files change and added after the last one is written, so that it never lists an incomplete stage. In a
shared folder it also names each stage's record: a stage that `make object` has rerun since, with other settings, no
longer counts.
"""

import hashlib
import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

from datamodules.runs.run_folder import RunFolder, make_folder, write_json
from viewdistill.errors import ViewDistillError

PROGRESS = "objects.json"
"""The file with the complete stages."""


class Results(ABC):
    """A place for run folders."""

    @abstractmethod
    def progress(self, name: str) -> dict[str, str]:
        """Return complete stage → key of its inputs; empty for an unknown object."""

    @abstractmethod
    def save_progress(self, name: str, stages: dict[str, str]) -> None:
        """Replace the content of `progress`."""

    @abstractmethod
    @contextmanager
    def workspace(self, name: str) -> Generator[RunFolder]:
        """Provide a local run folder for work on the object."""

    @abstractmethod
    def fetch(self, folder: RunFolder, stage: str) -> None:
        """Fetch the files of a complete stage into the workspace."""

    @abstractmethod
    def keep(self, folder: RunFolder, stage: str | None) -> None:
        """Store a stage's files from the workspace in their place; without a stage, the files beside the stages."""


class SharedFolder(Results):
    """A folder shared by all workers, who work in it, so that a fit resumes from a dead worker's checkpoint.

    Args:
        root: The folder of the run folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def progress(self, name: str) -> dict[str, str]:
        """Read ``objects.json``; a stage with a missing or different record counts as incomplete."""
        path = self.root / name / PROGRESS
        content = path.read_bytes() if path.is_file() else b""
        stages, records = parsed(content, "stages"), parsed(content, "records")
        return {stage: key for stage, key in stages.items() if self.record(name, stage) == records.get(stage, "")}

    def save_progress(self, name: str, stages: dict[str, str]) -> None:
        """Write ``objects.json``."""
        records = {stage: self.record(name, stage) for stage in stages}
        write_json(self.root / name / PROGRESS, {"stages": stages, "records": records})

    def record(self, name: str, stage: str) -> str | None:
        """Return the SHA-256 of a stage's record, which is different for every run of the stage."""
        path = RunFolder(self.root / name).record(stage)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    @contextmanager
    def workspace(self, name: str) -> Generator[RunFolder]:
        """Provide the object's place itself."""
        yield RunFolder(self.root / name)

    def fetch(self, folder: RunFolder, stage: str) -> None:
        """Do nothing: the files are in place."""

    def keep(self, folder: RunFolder, stage: str | None) -> None:
        """Do nothing: the files are in place."""


class RemoteFolder(Results):
    """A folder behind an fsspec URL: workers use a temporary folder and upload every complete stage.

    Args:
        url: With a protocol known to fsspec, whose package is installed.

    Raises:
        ViewDistillError: The URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.files, self.root = fsspec.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise ViewDistillError(f"{url}: cannot be used for results ({error})") from error
        if isinstance(self.files, MemoryFileSystem):
            raise ViewDistillError(f"{url}: each worker has its own memory; give a URL that all workers can reach")

    def progress(self, name: str) -> dict[str, str]:
        """Read ``objects.json``.

        Raises:
            ViewDistillError: The place cannot be reached.
        """
        self.files.invalidate_cache()
        try:
            return parsed(self.files.cat_file(self.path(name, PROGRESS)), "stages")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ViewDistillError(f"{self.url}: cannot be read ({error})") from error

    def save_progress(self, name: str, stages: dict[str, str]) -> None:
        """Write ``objects.json``."""
        self.files.makedirs(self.path(name), exist_ok=True)
        self.files.pipe_file(self.path(name, PROGRESS), json.dumps({"stages": stages}, indent=2).encode())

    @contextmanager
    def workspace(self, name: str) -> Generator[RunFolder]:
        """Provide a temporary folder."""
        parent = Path(tempfile.mkdtemp(prefix="viewdistill-"))
        try:
            yield RunFolder(make_folder(parent / name))
        finally:
            shutil.rmtree(parent, ignore_errors=True)

    def fetch(self, folder: RunFolder, stage: str) -> None:
        """Download the stage's files."""
        prefix = self.path(folder.name, stage)
        for path in self.files.find(prefix):
            local = folder.stage(stage) / str(path)[len(prefix) :].lstrip("/")
            make_folder(local.parent)
            self.files.get_file(path, str(local))

    def keep(self, folder: RunFolder, stage: str | None) -> None:
        """Upload the stage's files and replace older ones, or the files beside the stages."""
        if stage is None:
            local, remote = folder.root, self.path(folder.name)
            paths = [path for path in sorted(local.iterdir()) if path.is_file() and path.name != PROGRESS]
        else:
            local, remote = folder.stage(stage), self.path(folder.name, stage)
            paths = [path for path in sorted(local.rglob("*")) if path.is_file() and not path.is_symlink()]
            if self.files.exists(remote):
                self.files.rm(remote, recursive=True)
        for path in paths:
            target = f"{remote}/{path.relative_to(local).as_posix()}"
            self.files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            self.files.put_file(str(path), target)

    def path(self, *parts: str) -> str:
        """Return a path in the file system behind the URL."""
        return "/".join((self.root.rstrip("/"), *parts))


def results_at(out: str) -> Results:
    """Return the place named by ``--out``.

    Raises:
        ViewDistillError: The URL cannot be used.
    """
    return RemoteFolder(out) if "://" in out else SharedFolder(Path(out).absolute())


def parsed(content: bytes, part: str) -> dict[str, str]:
    """Return a part of ``objects.json``, by stage; empty if damaged, so that all stages are run again."""
    try:
        stages: Any = json.loads(content)[part]
        return {str(stage): str(value) for stage, value in stages.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
