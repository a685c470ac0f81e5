"""What `viewdistill objects` does to every image: the Makefile's stages with their options, and what they depend on."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from commands.stages.configuration import REPOSITORY

BLOCK = 1_000_000
"""Bytes of each part of a very large file that is looked at."""

LARGE_FILE = 256_000_000
"""Files from this size on (bytes) are known by their size and three parts of their content."""

PRIORS = REPOSITORY / "priors" / "nano"
"""The embedded priors; like the Makefile, any stage but the last two counts as made from them."""

NEEDS: dict[str, tuple[str, ...]] = {
    "input": (),
    "field": ("input",),
    "novel_views": ("input",),
    "class_images": ("input",),
    "specialize_1": ("novel_views", "class_images"),
    "specialize_2": ("specialize_1",),
    "views": ("field", "specialize_2"),
    "surface": ("views",),
    "mesh": (),  # the stage that the mesh is made from
    "report": ("mesh",),
}
"""Stage → the stages it reads, as in the Makefile; in an order in which they can run."""

CONFIGURED = tuple(stage for stage in NEEDS if stage not in ("input", "mesh", "report"))
"""Stages with a YAML in ``configs/`` and overlays in presets."""


@dataclass(frozen=True)
class Batch:
    """The choices that all objects of a batch share."""

    preset: str | None = None
    """Folder of ``configs/presets``."""
    seed: int | None = None
    """Of everything random; the YAMLs' own when not given."""
    source: Literal["surface", "field"] = "surface"
    """Stage that the mesh is made from."""
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Stage and more options for its subcommand."""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of every object, in an order in which they can run."""
        wanted, found = ["report"], set[str]()
        while wanted:
            stage = wanted.pop()
            found.add(stage)
            wanted += self.needs(stage)
        return tuple(stage for stage in NEEDS if stage in found)

    def needs(self, stage: str) -> tuple[str, ...]:
        """The stages that a stage reads."""
        return (self.source,) if stage == "mesh" else NEEDS[stage]

    def overlays(self, stage: str) -> list[Path]:
        """The preset's overlay on a stage's YAML, where there is one."""
        overlay = REPOSITORY / "configs" / "presets" / (self.preset or "") / f"{stage}.yaml"
        return [overlay] if self.preset and stage in CONFIGURED and overlay.is_file() else []

    def command(self, stage: str, image: Path, run: Path) -> list[str]:
        """Arguments of `viewdistill` that complete a stage of a run folder.

        Args:
            stage: One of `stages`.
            image: The input image.
            run: The run folder.
        """
        own = [option for name, options in self.options if name == stage for option in options]
        if stage == "input":
            return ["input", str(image), "--out", str(run), *own]
        if stage == "mesh":
            no_projection = ["--no-projection"] if self.source == "field" else []
            return ["mesh", str(run), f"--source={self.source}", *no_projection, *own]
        if stage == "report":
            return ["report", str(run), *own]
        name, number = (stage[:-2], [f"--stage={stage[-1]}"]) if stage.startswith("specialize") else (stage, [])
        overlay = [f"--config={path}" for path in self.overlays(stage)]
        seed = [] if self.seed is None else [f"--seed={self.seed}"]
        return [name.replace("_", "-"), str(run), *overlay, *seed, *number, *own]

    def digests(self) -> dict[str, str]:
        """Stage → SHA-256 of everything but the image and earlier stages that decides what it makes.

        The same on every machine with the same code, configurations and priors, wherever these lie.
        """
        return {stage: self._digest(stage) for stage in self.stages}

    def _digest(self, stage: str) -> str:
        from commands.stages.fitting import referenced_files, strings

        command = self.command(stage, Path("IMG"), Path("RUN"))
        digest = hashlib.sha256(json.dumps([text.replace(str(REPOSITORY), "") for text in command]).encode())
        texts = [option.rsplit("=", 1)[-1] for option in command]
        shipped = [REPOSITORY / "configs" / f"{stage}.yaml"] if stage in CONFIGURED else []
        for path in (*shipped, *self.overlays(stage)):
            digest.update(path.read_bytes())
            texts += strings(yaml.safe_load(path.read_text(encoding="utf-8")))
        if stage not in ("mesh", "report"):
            texts.append(str(PRIORS))
        files = {path for text in texts for path in referenced_files(text, REPOSITORY / "runs")}
        for identity in sorted(f"{path.name}:{content_identity(path)}" for path in files):
            digest.update(identity.encode())
        return digest.hexdigest()

    def keys(self, digests: dict[str, str], image: Iterable[bytes | None]) -> dict[str, str]:
        """Stage → what its files in an object's folder are made from: they still hold where it is unchanged.

        Args:
            digests: From `digests`.
            image: Content of the image and of the description beside it.
        """
        content = hashlib.sha256(b"".join(hashlib.sha256(part or b"").digest() for part in image)).hexdigest()
        keys: dict[str, str] = {}
        for stage in self.stages:
            parts = [digests[stage], *(keys[need] for need in self.needs(stage)), *([content] * (stage == "input"))]
            keys[stage] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return keys


def content_identity(path: Path) -> str:
    """What a file holds, whatever its place and time: machines of a cluster have copies of their own."""
    status = path.stat()
    return _identity(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _identity(path: Path, size: int, time: int) -> str:  # the time tells when an identity no longer holds
    with path.open("rb") as file:
        if size < LARGE_FILE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        for start in (0, size // 2, size - BLOCK):
            file.seek(start)
            digest.update(file.read(BLOCK))
        return digest.hexdigest()
