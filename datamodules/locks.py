"""One process at a time in a folder."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from datamodules.run_folder import make_folder

LOCK_FILE = ".lock"
"""File in the folder; the system releases its lock with the process, however that ends, and the file stays."""


@contextmanager
def held(folder: Path) -> Generator[bool]:
    """Hold a folder; waits, with one line, for another process that does.

    Args:
        folder: Made when missing.

    Yields:
        Whether another process had to be waited for, and may have done what there was to do.

    Raises:
        ViewDistillError: The folder cannot be made.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield False  # of several processes that share one fit, the first holds the folder for all
        return
    lock = FileLock(make_folder(folder) / LOCK_FILE)
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{folder}: another process is at work here; waiting for it", flush=True)
        lock.acquire()
        waited = True
    except (NotImplementedError, OSError):  # a file system without locks: as before there were any
        yield False
        return
    try:
        yield waited
    finally:
        lock.release()
