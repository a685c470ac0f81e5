"""What a stage cost and wrote: the record that also says that the stage is complete."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datamodules.run_folder import make_folder, write_json

RECORD = "stage.json"
"""Name of the record in the stage's folder."""


@contextmanager
def record_stage(folder: Path, stage: str) -> Iterator[dict[str, Any]]:
    """Measure the block and, when it ends without an error, write ``folder/stage.json``.

    An earlier record is removed first: while a stage runs, or after it was killed, it does not count as complete,
    whatever it had been before.

    Args:
        folder: The stage's folder; made when missing.
        stage: The stage's name.

    Yields:
        Figures to keep in the record besides seconds, peak memory and files; fill in what is worth knowing.
    """
    make_folder(folder)
    (folder / RECORD).unlink(missing_ok=True)
    figures: dict[str, Any] = {}
    start = time.perf_counter()
    yield figures
    record = {
        "stage": stage,
        "seconds": round(time.perf_counter() - start, 3),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in stage_files(folder)},
        "figures": figures,
    }
    write_json(folder / RECORD, record)


def stage_files(folder: Path) -> list[Path]:
    """Files that a stage leaves for people and later stages: hidden ones and the tracker's are not among them."""
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and path.name != RECORD and parts[0] != "wandb" and not any(p.startswith(".") for p in parts):
            found.append(path)
    return found


def peak_memory_mb() -> float:
    """Largest resident memory of this process or of one of its finished children so far, in MB (10^6 bytes)."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # The unit is bytes on macOS and KiB elsewhere (getrusage(2)).
    unit = 1 if sys.platform == "darwin" else 1024
    return max(own, children) * unit / 1e6
