"""kill -9 at random moments of `viewdistill object`: the same command goes on, to the mesh of an undisturbed run."""

import random
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.running.whole_object import STAGES, Ending, Moment, WholeObject

ROUNDS = 4
"""Runs that are killed once in each stage."""

SEED = 19
"""Of the moments."""


def moments(rounds: int, seed: int) -> list[list[Moment]]:
    """Draw, for each round, a moment within each stage; in every other round, one while the stage works."""
    numbers = random.Random(seed)
    return [[Moment(stage, numbers.random(), number % 2 == 1) for stage in STAGES] for number in range(rounds)]


def kill_in_rounds(
    folder: Path, priors: Path, rounds: int = ROUNDS, seed: int = SEED, forked: bool = True
) -> list[Ending]:
    """Kill runs in every stage, finish each, and compare its meshes with those of an undisturbed run.

    Args:
        folder: To work in.
        priors: Tiny priors.
        rounds: Number of runs.
        seed: Of the moments.
        forked: As of `WholeObject`.

    Returns:
        How each killed command ended.
    """
    undisturbed = WholeObject(folder / "undisturbed", priors, forked)
    windows = undisturbed.finish()
    endings: list[Ending] = []
    for number, drawn in enumerate(moments(rounds, seed)):
        disturbed = WholeObject(folder / f"killed-{number}", priors, forked)
        for moment in drawn:
            endings.append(disturbed.start().stop_at(moment, windows, signal.SIGKILL))
            assert endings[-1].status == -signal.SIGKILL, endings[-1]
            print(moment, endings[-1], flush=True)
        disturbed.finish()
        assert disturbed.results == undisturbed.results
    return endings


def hit(endings: Iterable[Ending]) -> dict[str, int]:
    """Stage → how often a command was stopped in it."""
    counts = Counter(ending.stage for ending in endings)
    return {stage: counts[stage] for stage in (*STAGES, "after") if counts[stage]}
