"""Peak memory of a block, even after other work in its process."""

import resource
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil

CLEAR_PEAK = "5"
"""Value for Linux's ``clear_refs`` that resets the peak of resident memory (proc(5))."""

INTERVAL = 0.05
"""Sampling interval on systems without a resettable peak, seconds."""


class PeakMemory:
    """Peak resident memory since construction, of this process or of a finished child."""

    def __init__(self) -> None:
        self.children = children_mb()
        self.sampled = 0.0
        self.resettable = reset_peak()
        self.ended = threading.Event()

    @property
    def megabytes(self) -> float:
        """Peak so far, MB (10^6 bytes)."""
        own = peak_memory_mb() if self.resettable else max(self.sampled, resident_mb())
        # For children only the largest peak so far is known: if it has grown, it belongs to this work.
        children = children_mb()
        return max(own, children) if children > self.children else own

    def sample(self) -> None:
        """Sample the memory until the work has ended."""
        while not self.ended.wait(INTERVAL):
            self.sampled = max(self.sampled, resident_mb())


@contextmanager
def measured_memory() -> Generator[PeakMemory]:
    """Measure the peak resident memory of a block."""
    peak = PeakMemory()
    if not peak.resettable:
        threading.Thread(target=peak.sample, daemon=True).start()
    try:
        yield peak
    finally:
        peak.ended.set()


def reset_peak() -> bool:
    """Reset Linux's peak of this process; return whether that was possible."""
    try:
        Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
    except OSError:  # not Linux, or not allowed here
        return False
    return True


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process since `reset_peak`, or since its start, MB (10^6 bytes)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    except (OSError, StopIteration, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _unit() / 1e6


def children_mb() -> float:
    """Return the largest resident memory of any finished child, MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _unit() / 1e6


def resident_mb() -> float:
    """Return the current resident memory of this process, MB (10^6 bytes)."""
    return psutil.Process().memory_info().rss / 1e6


def _unit() -> int:
    # bytes on macOS and KiB elsewhere (getrusage(2))
    return 1 if sys.platform == "darwin" else 1024
