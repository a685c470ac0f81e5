"""Atomic writing, bounded reading, and one-line errors for refusals by the file system.

Writing goes to a temporary name beside the target, which is flushed to the disk and then renamed. Reading accepts
regular files only, so that no pipe or device blocks, up to a limit of size.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from viewdistill.errors import ViewDistillError

LARGEST_SIDE_FILE = 64 << 20
"""Largest text file beside the results (JSON, YAML, CSV), bytes."""

PROBE = 1 << 20
"""Bytes appended to a file after a failed write, to find the reason."""

DIGEST_SUFFIX = ".sha256"
"""Ending of the file that holds a file's SHA-256, in the form that ``sha256sum -c`` reads."""

ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENOTDIR: "a file is in the way: choose another folder",
    errno.EISDIR: "a folder is in the way: remove it",
    errno.ENOTEMPTY: "a folder is in the way: remove it",
    errno.EEXIST: "a file is in the way: choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "the path is a loop of links: choose another one",
    errno.EIO: "check the disk",
    errno.ESTALE: "mount the network drive again",
    errno.EINVAL: "choose another name",
    errno.EMFILE: "raise the limit on open files",
    errno.ENFILE: "raise the limit on open files",
}
"""Error number of a refusal by the file system → advice."""


def refused(path: Path, action: str, error: OSError) -> ViewDistillError:
    """Return the one-line error for a refusal by the file system.

    Args:
        path: The file or folder.
        action: The failed action, as in "cannot be written".
        error: The file system's error.
    """
    advice = ADVICE.get(error.errno or 0, "choose another place")
    return ViewDistillError(f"{path}: {action} ({error.strerror or error}); {advice}")


def make_folder(folder: Path) -> Path:
    """Make a folder and its parents.

    Raises:
        ViewDistillError: The file system refuses (a file in the way, no permission, no space).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(folder, "cannot make this folder", error) from error
    except ValueError as error:
        raise ViewDistillError(f"{str(folder)!r}: not a name of a folder ({error})") from error
    return folder


@contextmanager
def atomic_path(path: Path, shared: bool = False) -> Generator[Path]:
    """Provide a temporary path beside ``path`` that replaces it when the block ends without an error.

    A reader, or a process restarted after a kill, never sees half a file, and after a power failure the file is the
    old or the new one. The temporary name keeps the suffix, by which many libraries choose the format.

    Args:
        path: The file to write; its folder is made when missing.
        shared: Whether several processes may write the same file at once, as in a cache. The temporary name then holds
            the process's number. It is otherwise always the same, so that the leftover of a killed process is
            overwritten.

    Raises:
        ViewDistillError: The file system refuses: full, read-only, no permission, a folder in the way, ….
    """
    make_folder(path.parent)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}" if shared else f".partial-{path.name}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except ViewDistillError:
        raise
    except Exception as error:  # libraries write into it: their own errors hide the file system's
        reason = _refusal(error, path, partial)
        if reason is None:
            raise
        raise refused(path, "cannot be written", reason) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _refusal(error: Exception, path: Path, partial: Path) -> OSError | None:
    """Return the file system's refusal behind a failed block; None for any other cause."""
    if isinstance(error, OSError):
        # Errors of other files that the block reads are passed on.
        if error.filename is not None and Path(os.fsdecode(error.filename)) not in (partial, path):
            return None
        if error.errno in ADVICE:
            return error
    # torch, safetensors and video encoders hide the reason: a write to the file system shows it.
    try:
        with partial.open("ab") as file:
            file.write(bytes(PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as found:
        return found if found.errno in ADVICE else None
    return None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically; halves of characters, as names of files can hold, become question marks.

    Raises:
        ViewDistillError: The file system refuses.
    """
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, atomically.

    Raises:
        ViewDistillError: The file system refuses.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically.

    Raises:
        ViewDistillError: The file system refuses.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_bytes(path: Path, remedy: str = "", limit: int = LARGEST_SIDE_FILE) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file.
        remedy: Advice, for the message, if it cannot be read.
        limit: Largest size, bytes.

    Raises:
        ViewDistillError: The file is missing, is no regular file, is larger than the limit, or cannot be read.
    """
    ending = f"; {remedy}" if remedy else ""
    try:
        require_regular(path, remedy)
        # Opened without blocking: the name may have become a pipe in the meantime.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(limit + 1) if size <= limit else b""
    except OSError as error:
        raise ViewDistillError(f"{path}: cannot be read ({error.strerror or error}){ending}") from error
    if max(size, len(content)) > limit:
        raise ViewDistillError(
            f"{path}: {max(size, len(content)):,} bytes are more than the limit of {limit:,}{ending}"
        )
    return content


def require_regular(path: Path, remedy: str = "") -> os.stat_result:
    """Check that a path is a regular file before opening it: a pipe would block, and a device never ends.

    Raises:
        ViewDistillError: The path is missing, a folder, a pipe, a socket or a device.
    """
    ending = f"; {remedy}" if remedy else ""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ViewDistillError(f"{path}: no such file{ending}") from error
    except OSError as error:
        raise ViewDistillError(f"{path}: cannot be read ({error.strerror or error}){ending}") from error
    except ValueError as error:
        raise ViewDistillError(f"{str(path)!r}: not a name of a file ({error}){ending}") from error
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
        kind = next((words for test, words in kinds.items() if test(found.st_mode)), "a device")
        raise ViewDistillError(f"{path}: {kind}, not a file{ending}")
    return found


def inside(folder: Path, name: str) -> Path:
    """Return the file that a document of a folder names, which must lie in that folder.

    Raises:
        ViewDistillError: The name is absolute, leaves the folder (``..`` or a link), or is no name of a file.
    """
    relative = Path(name)
    try:
        stays = (folder / relative).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        stays = False
    if not name or relative.is_absolute() or not stays:
        raise ViewDistillError(f"{folder}: {name!r} is not a file of this folder; give a path within it")
    return folder / relative


def digest_path(path: Path) -> Path:
    """Return the path of a file's digest; hidden, since it is not a result."""
    return path.with_name(f".{path.name}{DIGEST_SUFFIX}")


@contextmanager
def sealed_path(path: Path) -> Generator[Path]:
    """Like `atomic_path`, with the SHA-256 of the file beside it.

    The digest of the old file stays valid until the new file has replaced it, so that a kill between the two leaves
    either sound.

    Raises:
        ViewDistillError: The file system refuses.
    """
    with atomic_path(path) as partial:
        yield partial
        digest = sha256(partial)
        _write_digests(path, [digest, *known_digests(path)[:1]])
    _write_digests(path, [digest])


def _write_digests(path: Path, digests: list[str]) -> None:
    write_text(digest_path(path), "".join(f"{digest}  {path.name}\n" for digest in digests))


def known_digests(path: Path) -> list[str]:
    """Return the valid digests of a file, the latest first; none without a digest beside it."""
    if not digest_path(path).is_file():
        return []
    lines = read_bytes(digest_path(path), limit=4096).decode("utf-8", "replace").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def is_sound(path: Path) -> bool:
    """Return whether a file has the digest beside it; a file without one counts as sound."""
    known = known_digests(path)
    return not known or sha256(path) in known


def check_digest(path: Path, remedy: str) -> None:
    """Compare a file with the digest beside it; a file without one passes.

    Args:
        path: The file.
        remedy: Advice, for the message, if they differ.

    Raises:
        ViewDistillError: They differ: a byte was changed, or the file was truncated or replaced.
    """
    if not is_sound(path):
        raise ViewDistillError(f"{path}: damaged (its SHA-256 is not that of {digest_path(path).name}); {remedy}")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file, hexadecimal.

    Raises:
        ViewDistillError: The file cannot be read.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ViewDistillError(f"{path}: cannot be read ({error.strerror or error})") from error
