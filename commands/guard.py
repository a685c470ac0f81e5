"""End of a command: one line for an expected error, a line and a log for an unexpected one, a status for each."""

import errno
import os
import select
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
from viewdistill.errors import OutOfMemoryError, ViewDistillError

DEBUG = "VIEWDISTILL_DEBUG"
"""Environment variable; 1 shows the traceback of every error."""

MENDABLE, FAILED, INTERRUPTED, TERMINATED = 2, 1, 130, 143
"""Exit statuses: the user can fix it, a failure, Ctrl-C (128 + SIGINT), SIGTERM (128 + 15)."""

AGAIN = 0.05
"""Seconds after which an interrupt that Python has dropped is raised again."""

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
"""Errors of the system about a path, which the user can fix."""

BROKEN = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOMEM, errno.ENOLCK, errno.EFBIG}
"""Errors of the system about the machine."""

NO_DEVICE = (
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
    "not compiled with CUDA enabled",
    "invalid device ordinal",
    "Attempting to deserialize object on a CUDA device",
)
"""torch's messages about a missing device."""

NO_MEMORY = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""torch's messages about exhausted memory."""


@dataclass(frozen=True)
class Failure:
    """An expected error, for the user."""

    message: str
    """Fault, place and remedy."""
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
            sys.stdout.flush()  # here, where a closed pipe can still be handled
        return status
    except KeyboardInterrupt:
        word, status = ("terminated", TERMINATED) if terminated.is_set() else ("interrupted", INTERRUPTED)
        say(f"{name}: {word}; the same command resumes")
        return status
    except Exception as error:  # a defect too ends in one line; its traceback goes to a log
        if isinstance(error, BrokenPipeError) and reader_gone():
            # `viewdistill … | head`; keep Python from complaining about it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
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

    Python drops an exception that is raised in a destructor or a callback of a library. An interrupt that comes at such
    a moment is raised again shortly after.

    Args:
        terminated: Set when SIGTERM comes.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        terminated.set()
        raise KeyboardInterrupt

    def again(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def dropped(what: "sys.UnraisableHookArgs") -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        else:
            hook(what)

    if threading.current_thread() is not threading.main_thread():  # only there signals can be handled
        yield
        return
    hook, numbers = sys.unraisablehook, {signal.SIGTERM: end}
    if hasattr(signal, "setitimer"):  # not on Windows
        numbers[signal.SIGALRM] = again
        sys.unraisablehook = dropped
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    try:
        yield
    finally:
        if sys.unraisablehook is dropped:
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def explain(error: BaseException) -> Failure | None:
    """Return the meaning of an expected error for the user; None for an unexpected one."""
    text = str(error)
    if isinstance(error, ViewDistillError):
        return Failure(text, MENDABLE)
    if isinstance(error, OutOfMemoryError):
        return Failure(text, FAILED)
    if isinstance(error, MemoryError) or any(phrase in text for phrase in NO_MEMORY):
        return Failure("out of memory; close other programs, or choose smaller sizes (`viewdistill doctor`)", FAILED)
    if isinstance(error, OSError) and error.errno is not None:
        return explain_system(error)
    if isinstance(error, ModuleNotFoundError):
        what = f"package {error.name} is not installed" if error.name else first_line(text)  # Lightning's have no name
        return Failure(f"{what}; `viewdistill doctor` says how to get it", MENDABLE)
    if any(phrase in text for phrase in NO_DEVICE):
        return Failure(f"the device is not there ({first_line(text)}); `viewdistill doctor` lists devices", MENDABLE)
    if type(error).__name__ == "MisconfigurationException":  # by name: Lightning is not imported by every command
        return Failure(f"configuration: {first_line(text)}", MENDABLE)
    return None


def explain_system(error: OSError) -> Failure | None:
    """Return the meaning of an error of the operating system; None for errors unrelated to files or disks."""
    place = next((str(name) for name in (error.filename2, error.filename) if name is not None), "")
    at = f"{place}: " if place else ""
    if error.errno in FULL:
        return Failure(f"{at}{FULL[error.errno]}; make room, then the same command resumes", FAILED)
    if error.errno in REFUSED and place:
        return Failure(f"{at}{error.strerror}; check the path and its permissions", MENDABLE)
    if error.errno in BROKEN:
        return Failure(f"{at}{error.strerror}", FAILED)
    return None


def reader_gone() -> bool:
    """Whether nobody reads our output any more; other pipes break as well, such as that to a video encoder."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in watch.poll(0))
    except (OSError, ValueError, AttributeError):  # no file beneath it, or a system without `poll`
        return False


def write_log(name: str, error: BaseException, folder: Path | None) -> str:
    """Write a traceback to a new file, and return its place in words; say so if no folder can be written."""
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
    """Return the system's folder for temporary files; None if no folder can be written."""
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
