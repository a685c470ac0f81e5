"""Validity of a stage's result: one key, made from everything that determines it, and one identity of a file.

A stage's key is a SHA-256 of its resolved settings, of the priors and other files that these name, and of its inputs
from earlier stages: the content of the files or, before these exist (batches, ablations), the keys of the stages. Equal
keys mean equal results; places and times of files do not matter. The key is stored in the stage's folder from its start
on, so that a killed attempt continues only with an unchanged key.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datamodules.runs.run_folder import atomic_path
from viewdistill import resources
from viewdistill.version import __version__

KEY_FILE = "fingerprint"
"""File with the key, in a stage's folder."""

PLACES = (
    ("trainer", "logger"),
    ("trainer", "default_root_dir"),
    ("data", "init_args", "cache"),
)
"""Settings of places, which do not affect the result."""

WEIGHTS = (".safetensors", ".json", ".txt", ".bin", ".ckpt")
"""Suffixes of the relevant files in a folder of weights."""

LARGE_FILE = 256_000_000
"""Size, bytes, from which a file is identified by its size and three parts of its content."""

BLOCK = 1_000_000
"""Size of each of these parts, bytes."""


def stage_key(
    stage: str,
    settings: Mapping[str, Any],
    run: Path,
    files: Mapping[str, str] | None = None,
) -> str:
    """Return the key of a stage.

    Args:
        stage: Name.
        settings: Resolved settings, nested.
        run: The run folder as named in the settings; paths within it are identified by their relative name.
        files: Name → identity of the stage's inputs; without them the key covers the settings alone.
    """
    decides = {
        "stage": stage,
        "version": __version__,
        "settings": identified(without_places(settings), run),
        "files": dict(files or {}),
    }
    return digest(decides)


def chained_key(settings: str, needs: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Return the key of a stage before any of its files exist.

    Args:
        settings: Key of its settings alone.
        needs: Name → key of the stages it reads.
        files: Name → identity of its inputs from outside the run.
    """
    return digest({"settings": settings, "needs": dict(needs), "files": dict(files)})


def digest(content: Any) -> str:
    """Return the SHA-256 of nested plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def without_places(settings: Mapping[str, Any], at: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return settings without `PLACES`."""
    return {
        name: without_places(value, (*at, name)) if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if (*at, name) not in PLACES
    }


def identified(value: Any, run: Path) -> Any:
    """Replace files and folders in nested settings by their identity, and paths in the run by their relative name."""
    if isinstance(value, Mapping):
        return {str(name): identified(entry, run) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [identified(entry, run) for entry in value]
    if not isinstance(value, str | Path):
        return value
    text = str(value)
    if text == str(run) or text.startswith(f"{run}/"):
        return {"run": text[len(str(run)) :]}
    files = referenced_files(text, run)
    return {"content": files_by_name(resources.find(text), files)} if files else text


def referenced_files(text: str, run: Path) -> list[Path]:
    """Return the files that a setting names: one, or the weights in a folder such as ``priors/nano``.

    Args:
        text: A setting.
        run: The run folder; a folder that contains it names no weights.
    """
    if not text or "\n" in text or "\0" in text or len(text) > 1000:
        return []
    path = resources.find(text)
    if path.is_file():
        return [path]
    if not path.is_dir() or run.resolve().is_relative_to(path.resolve()):
        return []
    return [child for child in path.rglob("*") if child.suffix in WEIGHTS and child.is_file()]


def files_by_name(root: Path, files: Iterable[Path]) -> dict[str, str]:
    """Map names within a folder (or of the file itself) to identities."""
    return {"" if path == root else path.relative_to(root).as_posix(): file_identity(path) for path in sorted(files)}


def file_identity(path: Path) -> str:
    """Return the digest of a file's content; of a very large one, of its size and three parts of its content."""
    status = path.stat()
    return _identity(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _identity(path: Path, size: int, time: int) -> str:  # the time invalidates a cached identity
    with path.open("rb") as file:
        if size < LARGE_FILE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        parts = hashlib.sha256(str(size).encode())
        for start in (0, size // 2, size - BLOCK):
            file.seek(start)
            parts.update(file.read(BLOCK))
        return parts.hexdigest()


def strings(settings: Any) -> list[str]:
    """Return all strings in nested settings."""
    if isinstance(settings, Mapping):
        return [text for value in settings.values() for text in strings(value)]
    if isinstance(settings, list | tuple):
        return [text for value in settings for text in strings(value)]
    return [settings] if isinstance(settings, str) else []


def kept_key(folder: Path) -> str | None:
    """Return the key stored in a stage's folder, complete or not; None without one."""
    path = folder / KEY_FILE
    return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else None


def keep_key(folder: Path, key: str) -> None:
    """Write the key into a stage's folder."""
    with atomic_path(folder / KEY_FILE) as partial:
        partial.write_text(key, encoding="utf-8")
