"""Record of a stage's costs and files; it also marks the stage as complete."""

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from datamodules.runs.memory import measured_memory
from datamodules.runs.run_folder import RunFolder, make_folder, read_json, write_json
from datamodules.runs.stages import STAGES
from datamodules.runs.staleness import keep_key, kept_key
from viewdistill.errors import ViewDistillError
from viewdistill.schema import Range, parse

RECORD = "stage.json"
"""Name of the record in the stage's folder."""

ATTEMPT = ".attempt.json"
"""Name of the note on an unfinished attempt, in the stage's folder."""


@dataclass(frozen=True)
class Figures:
    """Figures of a record that others read; stages keep more."""

    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    """What a fit logged last."""
    problems: tuple[str, ...] = ()
    """What is not sound about a mesh."""
    watertight: bool | None = None
    """Whether a mesh is."""
    input_iou: float = 1.0
    """Overlap of a mesh's silhouette with the input's."""
    source: str = ""
    """Stage that a mesh was made from."""
    texels_from_views: float = 1.0
    """Share of a texture that views cover."""


@dataclass(frozen=True)
class Record:
    """What others read of a stage's record."""

    stage: str
    """Name."""
    seconds: Annotated[float, Range(0.0)]
    """Wall-clock time, seconds."""
    peak_memory_mb: Annotated[float, Range(0.0)]
    """Largest memory, MB (10^6 bytes)."""
    files: dict[str, int]
    """Path within the stage's folder → size, bytes."""
    figures: Figures = Figures()
    """What is worth knowing besides."""


@dataclass(frozen=True)
class Attempt:
    """Costs of a stage so far, over all its attempts."""

    number: int = 1
    """Number of this attempt."""
    seconds: float = 0.0
    """Wall-clock time of earlier attempts, seconds."""
    peak_memory_mb: float = 0.0
    """Peak memory of earlier attempts, MB (10^6 bytes)."""
    started: float = 0.0
    """Start of this attempt, seconds of the system's clock."""

    def next(self, now: float) -> "Attempt":
        """Return the attempt after one with these costs."""
        return replace(self, number=self.number + 1, started=now)


@contextmanager
def record_stage(
    folder: Path, stage: str, key: str | None = None, began: float | None = None
) -> Generator[dict[str, Any]]:
    """Measure the block and, if it ends without an error, write ``folder/stage.json``.

    An earlier record is removed first: a running or killed stage never counts as complete. Costs add up over attempts
    that continue one another.

    Args:
        folder: The stage's folder; created if missing.
        stage: The stage's name.
        key: Key of the stage, see `datamodules.runs.staleness`; stored in the folder. The block continues only an attempt
            with the same key. Costs of a stage without a key are those of the block.
        began: Start, seconds of `time.perf_counter`, if earlier than the block.

    Yields:
        Further figures for the record besides seconds, peak memory and files; to be filled in. A true ``resumed`` means
        that
            the block continued an earlier attempt.
    """
    make_folder(folder)
    start = time.perf_counter() if began is None else began
    before = earlier_attempt(folder) if key is not None and kept_key(folder) == key else Attempt()
    (folder / RECORD).unlink(missing_ok=True)
    if key is not None:
        before = replace(before, started=time.time())
        write_json(folder / ATTEMPT, asdict(before))
        keep_key(folder, key)
    figures: dict[str, Any] = {}
    with measured_memory() as memory:
        try:
            yield figures
        except BaseException:
            if key is not None:
                spent = before.seconds + time.perf_counter() - start
                with suppress(ViewDistillError):  # a full disk: what ended the block is what the user has to know
                    write_json(folder / ATTEMPT, asdict(replace(before, seconds=spent, started=0.0)))
            raise
        peak = memory.megabytes
    seconds, attempts = time.perf_counter() - start, 1
    if figures.pop("resumed", False):
        seconds, attempts, peak = seconds + before.seconds, before.number, max(peak, before.peak_memory_mb)
    record = {
        "stage": stage,
        "seconds": round(seconds, 3),
        "attempts": attempts,
        "peak_memory_mb": round(peak, 1),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in stage_files(folder)},
        "figures": figures,
    }
    write_json(folder / RECORD, record)
    (folder / ATTEMPT).unlink(missing_ok=True)


def read_record(path: Path) -> dict[str, Any]:
    """A record with all of its keys, those of `Record` checked.

    Args:
        path: The ``stage.json``.

    Raises:
        ViewDistillError: It is damaged.
    """
    remedy = "delete it and run its stage again"
    content = read_json(path, remedy)
    parse(Record, content, path, remedy, unknown_keys=True)
    return content


def complete_records(folder: RunFolder, stages: Iterable[str] = tuple(STAGES)) -> dict[str, dict[str, Any]]:
    """Stage → record of all stages that are complete, in order.

    Raises:
        ViewDistillError: One is damaged.
    """
    return {stage: read_record(folder.record(stage)) for stage in stages if folder.record(stage).is_file()}


def earlier_attempt(folder: Path) -> Attempt:
    """Return the attempt that follows the content of a stage's folder: a complete stage, or a stopped one.

    The duration of a killed attempt is taken from the times of its files.
    """
    try:
        if (folder / RECORD).is_file():
            record = read_json(folder / RECORD)
            return Attempt(int(record.get("attempts", 1)), record["seconds"], record["peak_memory_mb"]).next(0.0)
        if not (folder / ATTEMPT).is_file():
            return Attempt()
        attempt = Attempt(**read_json(folder / ATTEMPT))
        written = max((path.stat().st_mtime for path in stage_files(folder)), default=0.0)
        lost = max(0.0, written - attempt.started) if attempt.started else 0.0
        return replace(attempt, seconds=attempt.seconds + lost).next(0.0)
    except (ViewDistillError, KeyError, TypeError, ValueError):  # a damaged note loses the total cost, but no result
        return Attempt()


def stage_files(folder: Path) -> list[Path]:
    """Return a stage's files for people and later stages, without hidden ones and the tracker's."""
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and path.name != RECORD and parts[0] != "wandb" and not any(p.startswith(".") for p in parts):
            found.append(path)
    return found
