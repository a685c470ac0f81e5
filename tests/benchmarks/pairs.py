"""Two ways of doing the same work, timed in alternation."""

import statistics
import time
from collections.abc import Callable

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


def only_when_timing(request: pytest.FixtureRequest) -> None:
    """Leave a test of times out of a run that measures none."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("timings are disabled: run with --benchmark-enable")
