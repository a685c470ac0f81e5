"""Run bad inputs, all or some, and tell of those that came out wrong: ``make check-inputs``."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.inputs.case import Case, Outcome
from tests.inputs.catalog import all_cases, by_kind
from tests.inputs.execution import finished_run, import_commands, run_all
from tests.inputs.judging import faults
from tests.inputs.table import write_table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases."""
    parser = argparse.ArgumentParser(prog="python -m tests.inputs", description=__doc__)
    parser.add_argument("--kind", action="append", default=[], help="only those of a kind; may be given several times")
    parser.add_argument("--only", default="", help="only those whose name contains this")
    parser.add_argument("--most", type=int, default=10**6, help="cases of a kind at most, evenly chosen")
    parser.add_argument("--first", type=int, default=0, help="the first of these")
    parser.add_argument("--workers", type=int, default=2, help="cases at a time")
    parser.add_argument("--folder", type=Path, help="folder of the finished run, kept for the next call")
    parser.add_argument("--table", action="store_true", help="write the table of docs/reliability.md")
    parser.add_argument("--verbose", action="store_true", help="show what each case says")
    request = parser.parse_args(argv)
    import_commands()
    cases = [case for case in all_cases() if case.kind in (request.kind or [case.kind]) and request.only in case.name]
    cases = [case for kind in by_kind(cases).values() for case in chosen(kind, request.most, request.first)]
    if request.folder is not None:
        return check(cases, request.folder, request)
    with tempfile.TemporaryDirectory() as folder:
        return check(cases, Path(folder), request)


def chosen(cases: Sequence[Case], most: int, first: int) -> Sequence[Case]:
    """Evenly chosen cases."""
    return cases[first :: max(1, -(-len(cases) // most))]


def check(cases: Sequence[Case], folder: Path, request: argparse.Namespace) -> int:
    """Run cases in a folder, and return an exit status."""
    began = time.monotonic()
    if any(case.run for case in cases) and not (folder / "finished").is_dir():
        finished_run(folder / "finished")
    outcomes: dict[str, Outcome] = {}
    wrong = 0
    for case, outcome in run_all(cases, folder, request.workers):
        outcomes[case.name] = outcome
        found = faults(case, outcome)
        wrong += bool(found)
        for fault in found:
            print(f"{case.name}: {fault}", flush=True)
        if request.verbose:
            said = " / ".join(outcome.lines)[:300]
            print(f"    {case.name}: {outcome.status} after {outcome.seconds} s: {said}", flush=True)
    used = sum(outcome.processor_seconds for outcome in outcomes.values())
    spent = f"{time.monotonic() - began:.0f} s, {used:.0f} s of processors"
    print(f"{len(cases)} inputs, {wrong} with faults; {spent}")
    if request.table and not wrong:
        write_table(all_cases(), outcomes)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
