"""Ctrl-C and SIGTERM in every stage of `viewdistill object`: an exit status each, and the same mesh in the end."""

import random
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.running.whole_object import STAGES, Ending, Moment, WholeObject

SEED = 20
"""Of the moments."""

LATEST = 0.8
"""Largest share of a stage's work after which it is stopped; what is later would be the next stage's now and then."""

EXPECTED = {
    signal.SIGINT: (130, "viewdistill object: interrupted; the same command resumes"),
    signal.SIGTERM: (143, "viewdistill object: terminated; the same command resumes"),
}
"""Signal → exit status and the one line."""


def stop_in_every_stage(
    folder: Path, priors: Path, forked: bool = True, seed: int = SEED, stages: Sequence[str] = STAGES
) -> list[Ending]:
    """Stop a run in every stage by each signal, finish it, and compare its mesh with that of an undisturbed run.

    Args:
        folder: To work in.
        priors: Tiny priors.
        forked: As of `WholeObject`.
        seed: Of the moments.
        stages: In which it is stopped.

    Returns:
        How each stopped command ended.
    """
    undisturbed = WholeObject(folder / "undisturbed", priors, forked)
    windows = undisturbed.finish()
    endings: list[Ending] = []
    shares = random.Random(seed)
    for number in EXPECTED:
        disturbed = WholeObject(folder / f"stopped-{number.name}", priors, forked)
        for stage in stages:
            moment = Moment(stage, LATEST * shares.random(), working=True)
            endings.append(disturbed.start().stop_at(moment, windows, number))
            print(number.name, moment, endings[-1], flush=True)
            assert (endings[-1].status, *endings[-1].errors) == EXPECTED[number], endings[-1]
        disturbed.finish()
        assert disturbed.results == undisturbed.results
    return endings
