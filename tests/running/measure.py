"""Faults in every stage of an object, counted, and the table of docs/reliability.md: `make test-kills`.

Every part fails where a run ends in anything but its one line, or with another mesh than an undisturbed run.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import write_tiny_priors
from tests.running.full_disk import fill_at_moments
from tests.running.kills import hit, kill_in_rounds
from tests.running.signals import stop_in_every_stage
from tests.running.whole_object import Ending
from viewdistill.resources import REPOSITORY

PAGE = REPOSITORY / "docs" / "reliability.md"
"""The page with the table."""

BEGIN, END = "<!-- faults: written by `make test-kills` -->\n", "<!-- end of faults -->\n"
"""Lines of the page around the table."""

HEAD = (
    "| what happens | times | in the stage | while it works, not loads | mesh in the end |",
    "|---|---|---|---|---|",
)
"""Of the table."""

PARTS: dict[str, tuple[str, Callable[[Path, Path], list[Ending]]]] = {
    "kills": ("`kill -9`, at random moments", lambda folder, priors: kill_in_rounds(folder, priors)),
    "programs": (
        "`kill -9`, by the program from the shell",
        lambda folder, priors: kill_in_rounds(folder, priors, rounds=1, forked=False),
    ),
    "signals": ("Ctrl-C and SIGTERM, each in every stage", lambda folder, priors: stop_in_every_stage(folder, priors)),
    "disk": ("a full disk, with more room each time", lambda folder, priors: fill_at_moments(folder, priors)),
    "sizes": (
        "a limit on the size of files, raised each time",
        lambda folder, priors: fill_at_moments(folder, priors, mounted=False),
    ),
}
"""Part → words for the table, and what measures it."""


def row(words: str, endings: list[Ending]) -> str:
    """One line of the table."""
    stages = ", ".join(f"{stage} {count}" for stage, count in hit(endings).items())
    working = sum(ending.begun for ending in endings)
    return f"| {words} | {len(endings)} | {stages} | {working} | the same |"


def write_table(rows: list[str]) -> None:
    """Put the rows of the parts that were measured in place of their old ones."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    kept = {line.split("|")[1].strip(): line for line in old.splitlines()[2:]}
    new = {line.split("|")[1].strip(): line for line in rows}
    found = kept | new
    ordered = [found[words] for words, _ in PARTS.values() if words in found]
    head = [
        "| what happens | times | in the stage | while it works, not loads | mesh in the end |",
        "|---|---|---|---|---|",
    ]
    PAGE.write_text(f"{before}{BEGIN}" + "".join(f"{line}\n" for line in [*head, *ordered]) + f"{END}{after}")


def main() -> None:
    """Measure the parts that are asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, "all"), default="all", help="what to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="viewdistill-faults-") as folder:
        priors = Path(folder) / "priors"
        write_tiny_priors(priors)
        rows: list[str] = []
        for part in PARTS if "all" in arguments.parts else arguments.parts:
            start, (words, measure) = time.perf_counter(), PARTS[part]
            endings = measure(Path(folder) / part, priors)
            rows.append(row(words, endings))
            print(f"{rows[-1]} {time.perf_counter() - start:.0f} s", flush=True)
            write_table(rows)


if __name__ == "__main__":
    main()
