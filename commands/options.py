"""Types of command-line options: each states the allowed values, and rejects others before any file is touched.

They are given as ``type=`` to `argparse.ArgumentParser.add_argument`; argparse puts the name of the option in front.
"""

import math
import re
from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path

from datamodules.runs.memory_limit import parse_bytes

LARGEST_SEED = 2**32 - 1
"""Largest seed that numpy takes."""

LARGEST_COUNT = 10**9
"""Default upper bound of counts: far above use, far below overflow."""


@dataclass(frozen=True)
class Integer:
    """An integer within bounds."""

    low: int = 0
    """Smallest value."""
    high: int = LARGEST_COUNT
    """Largest value."""

    def __call__(self, text: str) -> int:
        """Parse.

        Raises:
            ArgumentTypeError: The text is not an integer within the bounds.
        """
        # Longer numbers are out of any bounds, and Python refuses to parse some of them.
        value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,30}", text) else None
        if value is None or not self.low <= value <= self.high:
            raise ArgumentTypeError(f"{shown(text)}: must be an integer from {self.low:,} to {self.high:,}")
        return value


@dataclass(frozen=True)
class Number:
    """A finite number within bounds."""

    low: float = -math.inf
    """Smallest value."""
    high: float = math.inf
    """Largest value."""
    above: bool = False
    """Whether ``low`` itself is excluded."""
    unit: str = ""
    """Unit, for the message."""

    def __call__(self, text: str) -> float:
        """Parse.

        Raises:
            ArgumentTypeError: The text is not a finite number within the bounds.
        """
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not self.low <= value <= self.high or (self.above and value == self.low):
            raise ArgumentTypeError(f"{shown(text)}: must be {self.allowed}")
        return value

    @property
    def allowed(self) -> str:
        """Allowed values in words."""
        unit = f" {self.unit}" if self.unit else ""
        if self.low == -math.inf and self.high == math.inf:
            return f"a finite number{unit and ' of'}{unit}"
        if self.high == math.inf:
            return f"a finite number {'above' if self.above else 'of at least'} {self.low:g}{unit}"
        if self.above:
            return f"a number above {self.low:g} and up to {self.high:g}{unit}"
        return f"a number from {self.low:g} to {self.high:g}{unit}"


COUNT = Integer(low=1)
"""A count, at least 1."""

SEED = Integer(high=LARGEST_SEED)
"""Seed of a random generator."""

PORT = Integer(high=65535)
"""TCP port; 0 lets the system choose."""

FRACTION = Number(low=0.0, high=1.0)
"""A share from 0 to 1."""

DEGREES = Number(low=-360.0, high=360.0, unit="degrees")
"""An angle, degrees."""

SECONDS = Number(low=0.0, high=3600.0, above=True, unit="seconds")
"""A time limit, seconds."""


def text(value: str) -> str:
    """Parse a word or a name.

    Raises:
        ArgumentTypeError: It is empty or contains control characters.
    """
    if not value.strip() or not value.isprintable():
        raise ArgumentTypeError(f"{shown(value)}: must be printable text")
    return value


def path(value: str) -> Path:
    """Parse a path, existing or not.

    Raises:
        ArgumentTypeError: The path is empty, or invalid on any file system.
    """
    if not value or "\0" in value:
        raise ArgumentTypeError(f"{shown(value)}: must be a path")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # how Python shows bytes that are no UTF-8
        raise ArgumentTypeError(f"{shown(value)}: must be a path in UTF-8; rename the file or folder")
    try:
        Path(value).exists()  # a look-up, which detects too long names and loops of links
    except (OSError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(f"{shown(value)}: must be a path ({reason(error)})") from error
    return Path(value)


def run_folder(value: str) -> Path:
    """Parse the folder of a run; the subcommand reports a missing one, with the stage to run first.

    Raises:
        ArgumentTypeError: The path is not a folder.
    """
    found = path(value)
    if found.exists() and not found.is_dir():
        raise ArgumentTypeError(f"{shown(value)}: must be a run folder, as runs/robot; this is a file")
    return found


def existing_file(value: str) -> Path:
    """Parse the path of a regular file: reading a device or a pipe could block for ever.

    Raises:
        ArgumentTypeError: There is no regular file.
    """
    found = path(value)
    if not found.is_file():
        problem = "this is a folder" if found.is_dir() else "not a file" if found.exists() else "no such file"
        raise ArgumentTypeError(f"{shown(value)}: must be a file; {problem}")
    return found


def existing_folder(value: str) -> Path:
    """Parse the path of a folder.

    Raises:
        ArgumentTypeError: There is no folder.
    """
    found = path(value)
    if not found.is_dir():
        problem = "this is a file" if found.exists() else "no such folder"
        raise ArgumentTypeError(f"{shown(value)}: must be a folder; {problem}")
    return found


def existing_path(value: str) -> Path:
    """Parse the path of a folder or of a regular file.

    Raises:
        ArgumentTypeError: There is neither.
    """
    found = path(value)
    if not found.is_dir() and not found.is_file():
        problem = "this is neither" if found.exists() else "nothing is there"
        raise ArgumentTypeError(f"{shown(value)}: must be a file or a folder; {problem}")
    return found


def output_folder(value: str) -> Path:
    """Parse the path of a folder to write to, which need not exist.

    Raises:
        ArgumentTypeError: A file is in the way.
    """
    found = path(value)
    blocker = next((each for each in (found, *found.parents) if each.exists() or each.is_symlink()), None)
    if blocker is not None and not blocker.is_dir():
        raise ArgumentTypeError(f"{shown(value)}: must be a folder to write to; {blocker} is a file")
    return found


def output_file(value: str) -> Path:
    """Parse the path of a file to write, which need not exist.

    Raises:
        ArgumentTypeError: A folder is there, or a file is in the way.
    """
    found = path(value)
    if found.is_dir() or value.endswith("/"):
        raise ArgumentTypeError(f"{shown(value)}: must be a file to write; this is a folder")
    if found.exists() and not found.is_file():
        raise ArgumentTypeError(f"{shown(value)}: must be a file to write; this is a device or a pipe")
    output_folder(str(found.parent))
    return found


def shown(value: str) -> str:
    """Format a value for messages: one short line, visible if empty."""
    printable = "".join(c if c.isprintable() else "?" for c in value)
    short = printable if len(printable) <= 80 else f"{printable[:77]}..."
    return short if short.strip() else f"'{short}'"


def reason(error: BaseException) -> str:
    """Return the reason of a system error, without the path, which the message has already."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def memory(text: str) -> int:
    """Parse a size of memory, as ``8GB``; bytes.

    Raises:
        ArgumentTypeError: It is none, or too small.
    """
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{shown(text)}: {error}") from error
