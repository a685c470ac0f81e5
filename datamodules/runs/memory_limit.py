"""How much memory a stage may use: what it needs is compared with that before it starts, and no more is given to it.

Where memory runs out, the system otherwise kills a process without a word, and often another one than the culprit.
"""

import os
import resource
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from datamodules.runs.memory import resident_mb
from viewdistill.errors import OutOfMemoryError, ViewDistillError

VARIABLE = "VIEWDISTILL_MEMORY_LIMIT"
"""Environment variable with the limit, which ``--memory-limit`` sets."""

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
"""Letters before the B of bytes → bytes."""

SMALLEST = 100 * 10**6
"""Smallest limit, bytes: the libraries alone take more."""

USED_UP = (
    "can't allocate memory",
    "Cannot allocate memory",
    "Unable to allocate",
    "std::bad_alloc",
    "start new thread",
)
"""What torch, numpy and the system say where no more memory is given."""


@dataclass(frozen=True)
class Budget:
    """Memory that this process may use."""

    megabytes: float
    """In all, MB (10^6 bytes)."""
    words: str
    """Where it comes from, for messages."""


def parse_bytes(text: str) -> int:
    """Return bytes of a size as ``8GB``, ``500 MB``, ``2GiB`` or ``8000000000``.

    Raises:
        ValueError: It is none, or less than `SMALLEST`.
    """
    found = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(?:([kmgt]i?)?b)?\s*", text.lower())
    size = int(float(found[1]) * UNITS[found[2] or ""]) if found else 0
    if size < SMALLEST:
        raise ValueError(f"must be a size of memory of at least {SMALLEST // 10**6} MB, as 8GB")
    return size


def chosen_limit() -> int | None:
    """Return the limit that the user set, bytes.

    Raises:
        ViewDistillError: The variable holds no size.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise ViewDistillError(f"{VARIABLE}={text[:80]!r}: {error}") from error


@contextmanager
def limit_set(size: int | None) -> Generator[None]:
    """Set the limit, if there is one, of this process and of those that it starts, for a block."""
    before = os.environ.get(VARIABLE)
    if size is not None:
        os.environ[VARIABLE] = str(size)
    try:
        yield
    finally:
        if size is not None:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before


def budget() -> Budget:
    """Return what the user allows, or what this machine, or the container, still has.

    Raises:
        ViewDistillError: The user's limit is no size.
    """
    free = Budget(resident_mb() + min(psutil.virtual_memory().available, container_room()) / 1e6, "free here")
    limit = chosen_limit()
    if limit is None or limit / 1e6 > free.megabytes:
        return free
    return Budget(limit / 1e6, "the limit (--memory-limit)")


def container_room() -> float:
    """Return what the control group of this process may still take, bytes; infinite where there is no limit."""
    try:
        group = next(
            line.split(":", 2)[2]
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            if line.startswith("0:")
        )
        folder = Path("/sys/fs/cgroup") / group.lstrip("/")
        folder = folder if (folder / "memory.max").is_file() else Path("/sys/fs/cgroup")
        return int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
    except (OSError, StopIteration, ValueError):  # no such groups, or the limit is "max"
        return float("inf")


def require(name: str, needed_mb: float) -> None:
    """Refuse a stage that needs more memory than there is.

    Args:
        name: The stage.
        needed_mb: Estimate, MB.

    Raises:
        ViewDistillError: It does.
    """
    allowed = budget()
    if needed_mb > allowed.megabytes:
        raise ViewDistillError(
            f"{name}: needs about {needed_mb / 1e3:.1f} GB of memory, and {allowed.megabytes / 1e3:.1f} GB are "
            f"{allowed.words}; close other programs, raise the limit, or choose smaller sizes (docs/presets.md)"
        )


@contextmanager
def bounded(name: str) -> Generator[None]:
    """Give a block no more memory than `budget` says; what it asks for beyond that ends it in one line.

    The bound is of the system (``RLIMIT_DATA``), and holds for what is allocated, touched or not. It is left out where
    the system counts nothing of that kind (not Linux), and, unless the user set a limit, on machines with a GPU, whose
    driver reserves much more than it uses.

    Raises:
        OutOfMemoryError: Memory is used up.
    """
    allowed = budget()
    try:
        with data_limit(allowed):
            yield
    except (MemoryError, RuntimeError, OSError) as error:
        if isinstance(error, OutOfMemoryError) or not (
            isinstance(error, MemoryError) or any(words in str(error) for words in USED_UP)
        ):
            raise
        raise OutOfMemoryError(
            f"{name}: out of memory: more than the {allowed.megabytes / 1e3:.1f} GB that are {allowed.words}; close "
            "other programs, raise the limit, or choose smaller sizes; the same command resumes"
        ) from error


@contextmanager
def data_limit(allowed: Budget) -> Generator[None]:
    """Set the limit of the system for a block."""
    reserved = data_mb()
    if reserved is None or (chosen_limit() is None and Path("/dev/nvidiactl").exists()):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # what is allocated and was never touched does not count as used
    room = int((allowed.megabytes + max(0.0, reserved - resident_mb())) * 1e6)
    bounds = [bound for bound in (room, soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def data_mb() -> float | None:
    """Return the memory that counts for ``RLIMIT_DATA``, MB; none where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) * 1024 / 1e6
    except (OSError, StopIteration, ValueError):
        return None
