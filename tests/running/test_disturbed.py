"""A run that is killed, stopped and left without room: a selection; `make test-kills` has all stages."""

import signal
from pathlib import Path

from tests.running.conftest import Finished
from tests.running.full_disk import assert_refused
from tests.running.signals import EXPECTED
from tests.running.whole_object import Moment, WholeObject

FAULTS = [
    (Moment("field", 0.6), signal.SIGKILL),
    (Moment("specialize_1", 0.5), signal.SIGINT),
    (Moment("surface", 0.6), signal.SIGKILL),
    (Moment("mesh", 0.4), signal.SIGTERM),
]


def test_after_whatever_happens_the_same_command_ends_with_the_same_mesh(
    finished: Finished, tmp_path: Path, tiny_prior_folder: Path
) -> None:
    disturbed = WholeObject(tmp_path / "runs", tiny_prior_folder, forked=True)
    largest = max(path.stat().st_size for path in finished.object.run.stage("field").rglob("*"))
    ending = disturbed.start(file_limit=largest - 1).wait()
    assert_refused(ending, tmp_path / "runs")
    assert ending.stage == "field"
    assert not disturbed.run.record("field").exists()
    for moment, number in FAULTS:
        ending = disturbed.start().stop_at(moment, finished.windows, number)
        if number == signal.SIGKILL:
            assert ending.status == -number
        else:
            assert (ending.status, *ending.errors) == EXPECTED[number]
    disturbed.finish()
    assert disturbed.results == finished.object.results
