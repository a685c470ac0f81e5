"""Processes that tests start, watch and kill."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leave nothing running, whatever a test finds."""
    try:
        with process:
            yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until something is true of a process that works."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def worker_of(process: subprocess.Popen[str], log: Path) -> psutil.Process:
    """The process below another one that writes a log."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any(Path(file.path) == log for file in child.open_files()):
                return child
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    raise AssertionError(f"nobody writes {log}")
