"""Run all bad inputs, and write the table of docs/reliability.md: ``make check-inputs``."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.inputs.case import Case, Outcome
from tests.inputs.catalog import CASES
from tests.inputs.judging import faults
from tests.inputs.runner import run_all


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases and tell of those that came out wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.inputs", description=__doc__)
    parser.add_argument("--kind", help="only those of a kind")
    parser.add_argument("--only", default="", help="only those whose name contains this")
    parser.add_argument("--stride", type=int, default=1, help="only every so many of a kind")
    parser.add_argument("--offset", type=int, default=0, help="the first of these")
    parser.add_argument("--workers", type=int, default=2, help="cases at a time")
    parser.add_argument("--folder", type=Path, help="folder of the sandboxes, kept")
    parser.add_argument("--verbose", action="store_true", help="show what each case says")
    request = parser.parse_args(argv)
    cases = [case for case in CASES if request.kind in (None, case.kind) and request.only in case.name]
    cases = [case for kind in kinds(cases) for case in kind[request.offset :: request.stride]]
    began = time.monotonic()

    def tell(case: Case, outcome: Outcome) -> None:
        for fault in faults(case, outcome):
            print(f"{case.name}: {fault}", flush=True)
        if request.verbose:
            print(f"    {case.name}: {outcome.status} {outcome.seconds} {outcome.err.strip()[:300]}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = request.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        outcomes = run_all(cases, folder, request.workers, tell)
    wrong = sum(bool(faults(case, outcome)) for case, outcome in zip(cases, outcomes, strict=True))
    print(f"{len(cases)} inputs, {wrong} with faults, {time.monotonic() - began:.0f} s")
    return int(wrong > 0)


def kinds(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases by kind."""
    return [[case for case in cases if case.kind == kind] for kind in dict.fromkeys(case.kind for case in cases)]


if __name__ == "__main__":
    sys.exit(main())
