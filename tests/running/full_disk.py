"""A disk that is full at ten moments: one line with path and reason each time, and with more room the same mesh.

The disk is a small tmpfs. Where mounting is not allowed, files are not allowed to grow beyond a size in its place.
"""

import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tests.running.whole_object import Ending, WholeObject

MOMENTS = 10
"""Sizes of the disk, each larger than the one before."""

PAGE = 4096
"""Bytes in which a tmpfs counts."""

Resize = Callable[[int], None]
"""Gives the disk another size, bytes."""


@contextmanager
def small_disk(folder: Path) -> Generator[Resize | None]:
    """Mount a small disk at a folder; none where that is not allowed."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={PAGE}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield lambda size: resize(folder, size)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, size: int) -> None:
    """Give a mounted disk another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def fill_at_moments(folder: Path, priors: Path, count: int = MOMENTS, mounted: bool = True) -> list[Ending]:
    """Run an object on a disk that is too small, again and again with more room, and compare its mesh.

    Args:
        folder: To work in.
        priors: Tiny priors.
        count: How often there is not enough room.
        mounted: Whether to mount a disk where that is allowed.

    Returns:
        How each command ended that had not enough room.
    """
    undisturbed = WholeObject(folder / "undisturbed", priors, forked=True)
    undisturbed.finish()
    files = [path.stat().st_size for path in undisturbed.run.root.parent.rglob("*") if path.is_file()]
    with small_disk(folder / "disk") as disk:
        place = folder / "disk" / "runs" if mounted and disk is not None else folder / "limited"
        disturbed = WholeObject(place, priors, forked=True, beside=folder / "full")
        if mounted and disk is not None:
            used = sum(-(-size // PAGE) * PAGE for size in files)
            limits = [used * (2 * number + 1) // (2 * count) for number in range(count)]
        else:
            largest = sorted(set(files))
            limits = [largest[len(largest) * number // count] - 1 for number in range(count)]
        endings: list[Ending] = []
        for limit in limits:
            if mounted and disk is not None:
                disk(max(limit, PAGE))
                call = disturbed.start()
            else:
                call = disturbed.start(file_limit=limit)
            endings.append(call.wait())
            print(f"{limit:>9,} bytes", endings[-1], flush=True)
            assert_refused(endings[-1], place)
        if disk is not None:
            disk(10 * sum(files) + 10**8)
        disturbed.finish()
        assert disturbed.results == undisturbed.results
    return endings


def assert_refused(ending: Ending, place: Path) -> None:
    """One line that names a path and what the system said, and an exit status that is not 0."""
    assert ending.status in (1, 2), ending
    assert len(ending.errors) == 1, ending
    assert str(place.parent) in ending.errors[0], ending
    assert any(reason in ending.errors[0].lower() for reason in ("no space left", "file too large")), ending
