"""Where the objects of a batch land: a folder that all workers share, or an fsspec URL (s3://…, gs://…, file://…).

``objects.json`` in an object's folder says which stages are complete and what they were made from. A stage is taken out
of it before its files change and put in after the last of them is there, so that it never promises too much. In a
shared folder it names the record of each stage as well: one that `make object` has run since, with settings of its own,
counts no more.
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

from datamodules.run_folder import RunFolder, make_folder, write_json
from viewdistill.errors import ViewDistillError

PROGRESS = "objects.json"
"""The file with the complete stages."""


class Results(ABC):
    """A place for run folders."""

    @abstractmethod
    def progress(self, name: str) -> dict[str, str]:
        """Complete stage → key of what it was made from; empty where nothing is known of the object."""

    @abstractmethod
    def save_progress(self, name: str, stages: dict[str, str]) -> None:
        """Replace what `progress` tells."""

    @abstractmethod
    @contextmanager
    def workspace(self, name: str) -> Generator[RunFolder]:
        """A local run folder of the object to work in."""

    @abstractmethod
    def fetch(self, folder: RunFolder, stage: str) -> None:
        """Bring the files of a complete stage into the workspace."""

    @abstractmethod
    def keep(self, folder: RunFolder, stage: str | None) -> None:
        """Bring the files of a stage from the workspace to their place; of no stage: those beside the stages."""


class SharedFolder(Results):
    """A folder that all workers see: they work in it, so that a fit goes on from the checkpoint of a dead worker.

    Args:
        root: The folder of the run folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def progress(self, name: str) -> dict[str, str]:
        """Read ``objects.json``; a stage whose record has gone or is another counts as incomplete."""
        path = self.root / name / PROGRESS
        content = path.read_bytes() if path.is_file() else b""
        stages, records = parsed(content, "stages"), parsed(content, "records")
        return {stage: key for stage, key in stages.items() if self.record(name, stage) == records.get(stage, "")}

    def save_progress(self, name: str, stages: dict[str, str]) -> None:
        """Write ``objects.json``."""
        records = {stage: self.record(name, stage) for stage in stages}
        write_json(self.root / name / PROGRESS, {"stages": stages, "records": records})

    def record(self, name: str, stage: str) -> str | None:
        """SHA-256 of a stage's record, which differs with every time that the stage is run."""
        path = RunFolder(self.root / name).record(stage)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    @contextmanager
    def workspace(self, name: str) -> Generator[RunFolder]:
        """The object's place itself."""
        yield RunFolder(self.root / name)

    def fetch(self, folder: RunFolder, stage: str) -> None:
        """Nothing: it is there."""

    def keep(self, folder: RunFolder, stage: str | None) -> None:
        """Nothing: it is there."""


class RemoteFolder(Results):
    """A folder behind an fsspec URL: workers work in a temporary folder and send every stage when it is complete.

    Args:
        url: With a protocol that fsspec knows, and whose package is installed.

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
            raise ViewDistillError(f"{url}: every worker has a memory of its own; give a URL that all of them see")

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
        """A temporary folder that vanishes afterwards."""
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
        """Upload the stage's files in place of older ones, or the files beside the stages."""
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
        """A path in the file system behind the URL."""
        return "/".join((self.root.rstrip("/"), *parts))


def results_at(out: str) -> Results:
    """The place that ``--out`` names.

    Raises:
        ViewDistillError: It is a URL that cannot be used.
    """
    return RemoteFolder(out) if "://" in out else SharedFolder(Path(out).absolute())


def parsed(content: bytes, part: str) -> dict[str, str]:
    """A part of ``objects.json``, by stage; nothing where it is damaged, so that all is made again."""
    try:
        stages: Any = json.loads(content)[part]
        return {str(stage): str(value) for stage, value in stages.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
