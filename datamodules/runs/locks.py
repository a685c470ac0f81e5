"""One process at a time in a folder."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from datamodules.runs.run_folder import make_folder

LOCK_FILE = ".lock"
"""Lock file in the folder; the system releases the lock when the process ends in any way, and the file stays."""


@contextmanager
def held(folder: Path) -> Generator[bool]:
    """Lock a folder; wait for another process that holds it, and print one line.

    Args:
        folder: Created if missing.

    Yields:
        Whether another process held the folder, and may have done the work.

    Raises:
        ViewDistillError: The folder cannot be made.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield False  # of the processes that share one fit, the first holds the folder for all
        return
    lock = FileLock(make_folder(folder) / LOCK_FILE)
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{folder}: locked by another process; waiting for it", flush=True)
        lock.acquire()
        waited = True
    except (NotImplementedError, OSError):  # a file system without locks: continue without one
        yield False
        return
    try:
        yield waited
    finally:
        lock.release()
