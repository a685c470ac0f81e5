"""Names of run folders."""

import re
from pathlib import Path

from viewdistill.errors import ViewDistillError

LONGEST = 200
"""Bytes of a name; file systems allow 255, and files beside the run append to it."""


def run_name(subject: Path | str) -> str:
    """Return the name of the run folder of an image (its stem) or of a text.

    Characters with a special meaning for make, shells and file systems are replaced.

    Raises:
        ViewDistillError: No name is left, or it is too long for a folder.
    """
    words = subject.stem if isinstance(subject, Path) else subject
    name = re.sub(r"[ :%#/\\\x00-\x1f\x7f]", "_", " ".join(words.split()))
    if not name.strip("._"):
        raise ViewDistillError(f"{str(subject)!r}: gives no name for a run folder; use letters or digits")
    if len(name.encode(errors="surrogateescape")) > LONGEST:
        raise ViewDistillError(f"{name[:40]}…: too long for the name of a run folder; use at most {LONGEST} bytes")
    return name
