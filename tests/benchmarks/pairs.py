"""Two ways of doing the same work, timed in alternation."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch


def seconds(work: Callable[[], object]) -> float:
    """Of one run."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object], pairs: int = 9) -> float:
    """How many times as long theirs takes: the median over pairs of runs, since other load meets both of a pair alike.

    Args:
        ours: Our way.
        theirs: Another way.
        pairs: How many.
    """
    for work in (ours, theirs):
        work()
    return statistics.median(seconds(theirs) / seconds(ours) for _ in range(pairs))


@dataclass(frozen=True)
class Measured:
    """A ratio of times."""

    what: str
    """Of which two ways."""
    times: float
    """How many times as fast ours is."""
    goal: float
    """What is hoped for on a machine that does nothing else."""


MEASURED: list[Measured] = []
"""Ratios of this run, which the end of pytest's output lists."""


def note(what: str, times: float, goal: float) -> None:
    """Keep a ratio for the list.

    A shared machine is no judge: a benchmark says what it measured, beside the goal, and does not fail.

    Args:
        what: Of which two ways.
        times: How many times as fast ours is.
        goal: What is hoped for.
    """
    MEASURED.append(Measured(what, times, goal))


def only_when_timing(request: pytest.FixtureRequest) -> None:
    """Leave a test of times out of a run that measures none."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("timings are disabled: run with --benchmark-enable")
