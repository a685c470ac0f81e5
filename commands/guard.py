"""How a command ends: one line for an expected error, a line and a log for an unexpected one, a status for each."""

import errno
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

from commands.parsing import one_line
from viewdistill.errors import ViewDistillError

DEBUG = "VIEWDISTILL_DEBUG"
"""Environment variable; 1 shows the traceback of every error."""

MENDABLE, FAILED, INTERRUPTED, TERMINATED = 2, 1, 130, 143
"""Exit statuses: the user can mend it, a failure, Ctrl-C (128 + SIGINT), SIGTERM (128 + 15)."""

FULL = {errno.ENOSPC: "no space left on the device", errno.EDQUOT: "the disk quota is used up"}
"""Errors of the system that end once there is space."""

REFUSED = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EXDEV,
}
"""Errors of the system about a path, which the user can mend."""

BROKEN = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOMEM, errno.ENOLCK, errno.EFBIG}
"""Errors of the system about the machine."""

NO_DEVICE = (
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
    "not compiled with CUDA enabled",
    "invalid device ordinal",
    "Attempting to deserialize object on a CUDA device",
)
"""What torch says about a device that is not there."""

NO_MEMORY = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What torch says where memory is used up."""


@dataclass(frozen=True)
class Failure:
    """An expected error, for the user."""

    message: str
    """What was wrong, where, and what to do."""
    status: int
    """Exit status."""


def guarded(name: str, work: Callable[[], int | None], log_folder: Callable[[], Path | None] = lambda: None) -> int:
    """Do the work of a command, and turn whatever ends it early into one line and an exit status.

    Args:
        name: The command as typed; begins each message.
        work: What it does; returns an exit status, or none for 0.
        log_folder: Folder for the traceback of an unexpected error, asked for when there is one; a temporary folder
            where it is none or cannot be written.
    """
    terminated = threading.Event()
    try:
        with terminating(terminated):
            status = work() or 0
            sys.stdout.flush()  # here, where a reader that has gone can still be met
        return status
    except KeyboardInterrupt:
        word, status = ("terminated", TERMINATED) if terminated.is_set() else ("interrupted", INTERRUPTED)
        say(f"{name}: {word}; the same command resumes")
        return status
    except BrokenPipeError:
        # The reader of our output has gone (`viewdistill … | head`); keep Python from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # a defect too ends in one line; its traceback goes to a log
        if os.environ.get(DEBUG) == "1":
            traceback.print_exc()
        failure = explain(error)
        if failure is None:
            log = write_log(name, error, log_folder())
            failure = Failure(f"unexpected {described(error)}; the traceback is in {log}", FAILED)
        say(f"{name}: {one_line(failure.message)}")
        return failure.status


@contextmanager
def terminating(terminated: threading.Event) -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that what holds files and servers can let go of them.

    Args:
        terminated: Set when the signal comes.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        terminated.set()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only there signals can be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def explain(error: BaseException) -> Failure | None:
    """What an expected error means for the user; none for one that should not happen."""
    text = str(error)
    if isinstance(error, ViewDistillError):
        return Failure(text, MENDABLE)
    if isinstance(error, MemoryError) or any(phrase in text for phrase in NO_MEMORY):
        return Failure("out of memory; close other programs, or choose smaller sizes (`viewdistill doctor`)", FAILED)
    if isinstance(error, OSError) and error.errno is not None:
        return explain_system(error)
    if isinstance(error, ModuleNotFoundError):
        return Failure(f"package {error.name} is not installed; `viewdistill doctor` says how to get it", MENDABLE)
    if any(phrase in text for phrase in NO_DEVICE):
        return Failure(f"the device is not there ({first_line(text)}); `viewdistill doctor` lists devices", MENDABLE)
    if type(error).__name__ == "MisconfigurationException":  # by name: Lightning is not imported by every command
        return Failure(f"configuration: {first_line(text)}", MENDABLE)
    return None


def explain_system(error: OSError) -> Failure | None:
    """What an error of the operating system means; none where no file or disk is meant."""
    place = next((str(name) for name in (error.filename2, error.filename) if name is not None), "")
    at = f"{place}: " if place else ""
    if error.errno in FULL:
        return Failure(f"{at}{FULL[error.errno]}; make room, then the same command resumes", FAILED)
    if error.errno in REFUSED and place:
        return Failure(f"{at}{error.strerror}; check the path and its permissions", MENDABLE)
    if error.errno in BROKEN:
        return Failure(f"{at}{error.strerror}", FAILED)
    return None


def write_log(name: str, error: BaseException, folder: Path | None) -> str:
    """Write a traceback to a new file, and return where; on no disk at all, say so."""
    text = "".join(traceback.format_exception(error))
    stem = f"error-{name.split()[-1]}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    for candidate in (folder, temporary_folder()):
        if candidate is None or not candidate.is_dir():
            continue
        try:
            (candidate / stem).write_text(f"{' '.join(sys.argv)}\n{text}", encoding="utf-8")
        except OSError:
            continue
        return str(candidate / stem)
    return f"no log, since no folder can be written ({DEBUG}=1 shows it)"


def temporary_folder() -> Path | None:
    """The system's folder for temporary files; none where no folder can be written."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None


def described(error: BaseException) -> str:
    """Type and first line of an error."""
    text = first_line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def first_line(text: str) -> str:
    """First line of a message that has one."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def say(line: str) -> None:
    """Print a line on the standard error, if it is still open."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return
