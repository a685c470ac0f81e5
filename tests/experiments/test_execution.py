"""Tasks in order, each once, whatever fails; stages that resume and are locked while someone computes them."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from datamodules.runs.locks import held
from datamodules.runs.run_folder import RunFolder, make_folder, read_json, write_json
from experiments.running.cases import Case
from experiments.running.execution import StageFailedError, Task, complete, cost_of, execute_all, link, viewdistill
from experiments.running.plan import Node

REPOSITORY = Path(__file__).parents[2]

FIRST_LINE_TWICE = "loading\nfailed: no such thing\n\n"
"""What a failing command says."""


class Stages:
    """Runs commands as `viewdistill` would: writes the record of the stage that a command names into its folder."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.failing = False

    def __call__(self, command: list[str], log: Path) -> int:
        self.calls.append(command)
        if self.failing:
            with log.open("a") as file:
                file.write(FIRST_LINE_TWICE)
            return 2
        stage, folder = command
        write_json(RunFolder(Path(folder)).record(stage), {"seconds": 1.5, "peak_memory_mb": 100.0})
        return 0


def node(root: Path, stage: str, *needs: Node) -> Node:
    folder = RunFolder(root / "stages" / f"{stage}-0")
    return Node(stage, stage, folder, (stage, str(folder.root)), needs, Case(10_000_000, 0.0, 20.0), root / "inputs")


def ran(tasks: list[Task], jobs: int = 1) -> tuple[list[str], dict[str, StageFailedError], dict[str, bool]]:
    """Labels of tasks in the order in which they began, failures, and whether each settled well."""
    began: list[str] = []
    ended: dict[str, bool] = {}
    failed = execute_all(
        tasks, jobs, lambda task: began.append(task.label), lambda task, error: ended.update({task.key: error is None})
    )
    return began, failed, ended


def task(key: str, *needs: str, work: object = None) -> Task:
    def fail() -> None:
        assert isinstance(work, Exception)
        raise work

    return Task(key, key, needs, fail if isinstance(work, Exception) else lambda: None)


def test_tasks_wait_for_what_they_need_and_run_once():
    began, failed, ended = ran([task("c", "a", "b"), task("a"), task("b", "a"), task("a"), task("d")])
    assert began.index("a") < began.index("b") < began.index("c")
    assert sorted(began) == ["a", "b", "c", "d"]
    assert failed == {}
    assert all(ended.values())


def test_a_failure_stops_only_what_depends_on_it():
    broken = StageFailedError("field", "no such prior")
    began, failed, ended = ran([task("a", work=broken), task("b", "a"), task("c", "b"), task("d"), task("e", "d")])
    assert sorted(began) == ["a", "d", "e"]
    assert failed == {"a": broken, "b": broken, "c": broken}
    assert ended == {"a": False, "b": False, "c": False, "d": True, "e": True}


def test_any_error_of_a_task_is_its_failure():
    _, failed, _ = ran([task("a", work=OSError("disk full")), task("b")])
    assert str(failed["a"]) == "a: OSError: disk full"


def test_no_more_run_at_a_time_than_are_asked_for():
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.02)
        with lock:
            running.pop()

    ran([Task(str(index), "", (), work) for index in range(6)], jobs=2)
    assert max(most) == 2


def test_tasks_that_wait_for_each_other_are_an_error():
    with pytest.raises(ValueError, match="tasks that wait for each other or for none: a, b"):
        ran([task("a", "b"), task("b", "a")])


def test_a_complete_stage_is_not_run_again(tmp_path: Path):
    stages = Stages()
    first = node(tmp_path, "input")
    second = node(tmp_path, "field", first)
    for _ in range(2):
        complete(first, stages)
        complete(second, stages)
    assert [command[0] for command in stages.calls] == ["input", "field"]
    assert read_json(second.done)["command"] == list(second.command)
    # What it reads lies beside it, and is the other stage's.
    assert (second.folder.root / "input").resolve() == first.folder.stage("input").resolve()
    assert first.case.path(first.inputs).is_file()
    assert cost_of(second) == {"seconds": 1.5, "peak_memory_mb": 100.0}


def test_a_stage_without_a_record_has_its_seconds_from_outside(tmp_path: Path):
    stage = node(tmp_path, "bias", node(tmp_path, "input"))
    complete(stage, lambda *_: 0)
    assert 0 <= read_json(stage.done)["seconds"] < 10
    assert cost_of(stage)["peak_memory_mb"] is None


def test_a_failed_stage_says_why_and_is_tried_again(tmp_path: Path):
    stages, stage = Stages(), node(tmp_path, "field", node(tmp_path, "input"))
    stages.failing = True
    with pytest.raises(StageFailedError, match=r"^field: failed: no such thing \(exit status 2; .*log.txt\)$"):
        complete(stage, stages)
    assert not stage.done.exists()
    stages.failing = False
    complete(stage, stages)
    assert stage.done.is_file()
    log = stage.log.read_text()
    assert log.count("$ viewdistill field") == 2
    assert FIRST_LINE_TWICE in log


def test_a_command_that_says_nothing_fails_with_its_status(tmp_path: Path):
    with pytest.raises(StageFailedError, match=r"^field: no message \(exit status 9;"):
        complete(node(tmp_path, "field", node(tmp_path, "input")), lambda *_: 9)


def test_two_that_want_one_stage_compute_it_once(tmp_path: Path):
    stages, stage = Stages(), node(tmp_path, "field", node(tmp_path, "input"))

    def slow(command: list[str], log: Path) -> int:
        time.sleep(0.1)
        return stages(command, log)

    threads = [threading.Thread(target=complete, args=(stage, slow)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stages.calls) == 1


OUTLIVING = """
import sys
from pathlib import Path
from datamodules.runs.locks import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
"""Holds the folder of a stage until its input ends."""


def test_a_stage_that_outlives_its_runner_is_waited_for(tmp_path: Path):
    stage = node(tmp_path, "field", node(tmp_path, "input"))
    own = make_folder(stage.folder.stage("field"))
    stages, began, ended = Stages(), threading.Event(), threading.Event()
    child = subprocess.Popen(
        [sys.executable, "-c", OUTLIVING, str(own)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert child.stdout is not None
    child.stdout.readline()

    def subcommand(command: list[str], log: Path) -> int:
        began.set()
        with held(own):  # as `commands.stages.job.run_stage` does
            ended.set()
            return stages(command, log)

    runner = threading.Thread(target=complete, args=(stage, subcommand))
    runner.start()
    assert began.wait(10)
    assert not ended.wait(0.1)
    child.communicate()
    runner.join(10)
    assert ended.is_set()
    assert stage.done.is_file()


def test_a_link_follows_its_stage(tmp_path: Path):
    run = tmp_path / "A2" / "usd" / "1-seed0"
    for number in (1, 1, 2):
        folder = RunFolder(tmp_path / "stages" / f"field-{number}")
        target = Node("field", "", folder, (), (), Case(1, 0.0, 0.0), tmp_path)
        (folder.stage("field")).mkdir(parents=True, exist_ok=True)
        link(target, run)
        assert (run / "field").resolve() == folder.stage("field").resolve()
        assert not (run / "field").readlink().is_absolute()


def test_a_subcommand_runs_in_a_process_of_its_own(tmp_path: Path):
    log = tmp_path / "log.txt"
    assert viewdistill(["--version"], log) == 0
    assert viewdistill(["evaluate"], log) == 2
    version, error = log.read_text().splitlines()
    assert version.startswith("viewdistill ")
    assert error.startswith("viewdistill evaluate: evaluate needs what to score")
