"""The folder that a case runs in, and what a command changed in it or in the package."""

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from tests.inputs.case import OTHER, RUN, Case

REPOSITORY = Path(__file__).parents[2]

PACKAGE = ("Makefile", "pyproject.toml", "callbacks", "commands", "configs", "datamodules", "examples", "experiments")
PACKAGE += ("lightning_modules", "priors", "viewdistill")
"""What no command may change."""

CANARY = "pwned"
"""Name of the file that a text makes if it is run as a command: `touch pwned`."""

OWN = ("home", "tmp")
"""Where a command may keep what is its own: caches and temporary files."""

State = dict[str, tuple[int, int, int]]
"""Path → kind and mode, size and time of the last change."""


def make_sandbox(case: Case, folder: Path, finished: Path | None) -> None:
    """Make the folder of a case and put into it what is given.

    Args:
        case: The case.
        folder: Its folder, which is not there yet.
        finished: A finished run to copy, where the case needs one.
    """
    for name in OWN:
        (folder / name).mkdir(parents=True)
    if case.run:
        assert finished is not None
        shutil.copytree(finished, folder / RUN, symlinks=True)
        (folder / OTHER).symlink_to(Path(RUN).name)
    case.prepare(folder)


def remove_sandbox(folder: Path) -> None:
    """Remove a case's folder, whatever permissions it was given."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            inner = Path(path) / name
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def state_of(places: Iterable[Path], root: Path) -> State:
    """All files and folders below some places; what Python keeps of compiled code is left out."""
    found: State = {}
    pending = list(places)
    while pending:
        path = pending.pop()
        try:
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                if path.name == "__pycache__":
                    continue
                pending += path.iterdir()
        except OSError:
            continue
        # A folder's own time changes with its files, which are compared themselves.
        folder = stat.S_ISDIR(status.st_mode)
        found[path.relative_to(root).as_posix()] = (
            status.st_mode,
            0 if folder else status.st_size,
            0 if folder else status.st_mtime_ns,
        )
    return found


def package_state() -> State:
    """The package as it is now."""
    return state_of((REPOSITORY / name for name in PACKAGE), REPOSITORY)


def sandbox_state(folder: Path) -> State:
    """A case's folder as it is now, without what is the command's own."""
    return state_of((path for path in folder.iterdir() if path.name not in OWN), folder)


def changes(before: State, after: State, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Paths that differ between two states."""
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return tuple(sorted(p for p in differing if not any(p == a or p.startswith(f"{a}/") for a in allowed)))


def canary_sings(folder: Path) -> bool:
    """Whether something that was given has run as a command."""
    return any(CANARY in files for _, _, files in os.walk(folder))
