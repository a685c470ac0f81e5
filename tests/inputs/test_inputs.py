"""Some bad inputs of every kind; ``make check-inputs`` runs all, and writes the table of docs/reliability.md."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.inputs.case import Accepted, Case, Ended, Outcome, Refused
from tests.inputs.catalog import all_cases, by_kind
from tests.inputs.judging import faults
from tests.inputs.sandbox import REPOSITORY
from tests.inputs.table import inputs_in_page

OF_A_KIND = 9
"""Inputs of a kind that are run here."""


@pytest.mark.timeout(900)
def test_no_bad_input_ends_badly(tmp_path: Path):
    """In a process of its own: what a user runs has no checks of shapes and no warnings as errors."""
    tmp_path.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "tests.inputs",
        f"--most={OF_A_KIND}",
        "--workers=1",
        f"--folder={tmp_path / 'box'}",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_many_inputs_of_every_kind_with_names_of_their_own():
    cases = all_cases()
    assert len(cases) >= 600
    assert min(map(len, by_kind(cases).values())) >= 30
    assert [name for name, count in Counter(case.name for case in cases).items() if count > 1] == []


def test_the_page_has_the_number_of_inputs_of_every_kind():
    counts = {kind: len(cases) for kind, cases in by_kind(all_cases()).items()}
    assert inputs_in_page() == {**counts, "all": sum(counts.values())}


def outcome(status: int | None = 2, err: str = "viewdistill x: a.png: bad\n", **more: object) -> Outcome:
    """An outcome."""
    content = {"seconds": 0.1, "processor_seconds": 0.1, "out": "", "changed": (), "commands_run": False}
    return Outcome(status=status, err=err, **{**content, **more})  # type: ignore[arg-type]


REFUSED = Case("kind", "given", (), Refused("a.png"))
ACCEPTED = Case("kind", "given", (), Accepted("left out"))


@pytest.mark.parametrize(
    ("case", "result", "said"),
    [
        (REFUSED, outcome(), None),
        (REFUSED, outcome(0, ""), "status 0"),
        (REFUSED, outcome(err="viewdistill x: bad\n"), "does not name"),
        (REFUSED, outcome(err="viewdistill x: a.png: bad\nmore\n"), "2 lines"),
        (REFUSED, outcome(err="Traceback (most recent call last)\n"), "traceback"),
        (REFUSED, outcome(1, "viewdistill x: unexpected KeyError: 'a.png'; the traceback is in x.log\n"), "traceback"),
        (REFUSED, outcome(None), "did not end"),
        (REFUSED, outcome(-11), "killed by signal 11"),
        (REFUSED, outcome(changed=("toy.png",)), "changed toy.png"),
        (REFUSED, outcome(commands_run=True), "ran as a command"),
        (ACCEPTED, outcome(0, "note: 3 specks were left out\n"), None),
        (ACCEPTED, outcome(0, ""), "does not say"),
        (Case("kind", "given", (), Ended()), outcome(0, ""), None),
        (Case("kind", "given", (), Ended()), outcome(3), "status 3"),
    ],
)
def test_outcomes_are_judged(case: Case, result: Outcome, said: str | None):
    found = faults(case, result)
    assert (found == []) == (said is None), found
    assert said is None or said in found[0]
