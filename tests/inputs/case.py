"""A bad input: what is given to which command, and what has to come of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Program = Literal["viewdistill", "process", "make"]
"""The command in a fork of a process that has imported it already, the command in a process of its own, or make."""

RUN = "runs/robot"
"""The run of a case that needs one, within its folder."""

OTHER = "runs/other"
"""The same run by another name, for what compares runs."""

SECONDS = 20.0
"""Time after which a case hangs."""


@dataclass(frozen=True)
class Refused:
    """The command ends with one line on the standard error, and has changed nothing but what it names."""

    names: str
    """What the line names, as a regular expression: the file, the option or the key, and what is wrong with it."""
    status: tuple[int, ...] = (2,)
    """Exit statuses: 2 for what the user can mend, 1 for failures."""


@dataclass(frozen=True)
class Accepted:
    """The command does what it is asked for."""

    says: str = ""
    """What it prints besides, as a regular expression: a warning, where one is due."""


@dataclass(frozen=True)
class Ended:
    """Either: values at the edge of what makes sense may be taken or refused, in one line."""


Expected = Refused | Accepted | Ended


def nothing(folder: Path) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Case:
    """A bad input.

    A case has a folder of its own, which is its working directory and holds its home and temporary files.
    """

    kind: str
    """Kind of input, a row of the table."""
    given: str
    """What is given, in words: with the kind, its name."""
    arguments: tuple[str, ...]
    """Arguments of the program."""
    expected: Expected
    """What has to come of it."""
    prepare: Callable[[Path], object] = nothing
    """Writes what is given into the case's folder."""
    program: Program = "viewdistill"
    """What is run."""
    run: bool = False
    """Whether a finished run is needed, at `RUN`."""
    environment: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Variables to set, or with None to unset."""
    unprivileged: bool = False
    """Whether permissions have to hold, which do not stop root."""
    largest_file: int | None = None
    """Bytes at which a file cannot grow further, as on a full disk."""
    until: str = ""
    """Text on the standard output at which the command is interrupted, where it would serve for ever."""
    output: str | None = None
    """Where the standard output goes, in place of a file."""
    writes: tuple[str, ...] = ("runs",)
    """Files and folders that the command may change, within its folder."""

    @property
    def name(self) -> str:
        """Kind and input."""
        return f"{self.kind}: {self.given}"


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    status: int | None
    """Exit status; none where the command hung and was killed."""
    seconds: float
    """Until it ended."""
    processor_seconds: float
    """Of it and what it waited for."""
    out: str
    """Standard output."""
    err: str
    """Standard error."""
    changed: tuple[str, ...]
    """Files that were changed, made or removed though the case does not allow it."""
    commands_run: bool
    """Whether a text that was given ran as a command."""

    @property
    def traceback(self) -> bool:
        """Whether a traceback was shown."""
        return bool(
            re.search(
                r"Traceback \(most recent call last\)|: unexpected \w+\b.*; (the traceback is in|no log)",
                self.out + self.err,
            )
        )

    @property
    def hung(self) -> bool:
        """Whether it did not end."""
        return self.status is None

    @property
    def lines(self) -> list[str]:
        """Lines of the standard error."""
        return [line for line in self.err.splitlines() if line.strip()]
