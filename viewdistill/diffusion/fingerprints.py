"""Digests of a prior's configurations and weights, for records and trackers."""

import functools
import hashlib
from pathlib import Path

from viewdistill.diffusion.loading import PriorSource

DIGITS = 16
"""Hexadecimal digits kept of each SHA-256."""


def fingerprint(source: PriorSource) -> dict[str, str]:
    """Return the identity of a loaded prior, as plain text that any tracker takes.

    Args:
        source: From `viewdistill.diffusion.loading.locate`.

    Returns:
        ``prior`` (folder or repository), ``revision`` (the commit; absent for folders), ``pose`` where there is a
        camera projection, and of each component ``<component>/configuration`` and, where it has weights,
        ``<component>/weights``: digests of the content of the files that are read, whatever their place.
    """
    plain = {"prior": source.name}
    if source.revision is not None:
        plain["revision"] = source.revision
    if "clip_camera_projection" in source.files:
        plain["pose"] = source.pose
    for component, files in source.files.items():
        folder = source.folders[component]
        plain[f"{component}/configuration"] = _digest(folder, files.configuration)
        if files.weights:
            plain[f"{component}/weights"] = _digest(folder, files.weights)
    return plain


def _digest(folder: Path, names: tuple[str, ...]) -> str:
    digests = hashlib.sha256()
    for name in names:
        status = (folder / name).stat()
        digests.update(f"{name} {_content(folder / name, status.st_size, status.st_mtime_ns)}\n".encode())
    return digests.hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=256)
def _content(path: Path, size: int, time: int) -> str:  # size and time tell when a digest no longer holds
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
