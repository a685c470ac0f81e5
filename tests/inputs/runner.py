"""Cases run by servers (`tests.inputs.server`), several at a time."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.inputs.case import Case, Outcome
from tests.inputs.catalog import CASES
from tests.inputs.sandbox import REPOSITORY
from tests.inputs.server import finished_run

NUMBERS = {case.name: number for number, case in enumerate(CASES)}
"""Name → number of a case."""


class Server:
    """A process that runs cases.

    Args:
        folder: For the folders of cases; holds the finished run.
    """

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        # In a group of its own: Ctrl-C ends this process, whose end the server notices.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.inputs.server", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=REPOSITORY,
            start_new_session=True,
        )

    def run(self, case: Case) -> Outcome:
        """Run a case."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(NUMBERS[case.name], file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return Outcome(**{**answer, "changed": tuple(answer["changed"])})

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


def prepared(folder: Path, cases: Sequence[Case]) -> Path:
    """A folder in which servers can run cases: with a finished run, where one is needed."""
    if any(case.run for case in cases) and not (folder / "finished" / "runs").is_dir():
        finished_run(folder / "finished")
    return folder


def run_all(cases: Sequence[Case], folder: Path, workers: int, tell: Callable[[Case, Outcome], None]) -> list[Outcome]:
    """Run cases, several at a time, and return what came of each, in order.

    Args:
        cases: The cases.
        folder: For their folders.
        workers: Servers.
        tell: Called with each outcome, from several threads in turn.
    """
    prepared(folder, cases)
    pending: queue.SimpleQueue[int] = queue.SimpleQueue()
    found: dict[int, Outcome] = {}
    lock = threading.Lock()
    for number in range(len(cases)):
        pending.put(number)

    def work() -> None:
        server = Server(folder)
        try:
            while True:
                try:
                    number = pending.get_nowait()
                except queue.Empty:
                    return
                result = server.run(cases[number])
                with lock:
                    found[number] = result
                    tell(cases[number], result)
        finally:
            server.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(cases))]
