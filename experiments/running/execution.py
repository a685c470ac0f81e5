"""Execution of a plan's stages, each once, several in parallel; a failure stops only dependent tasks."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.scaling.head import ClusterDiedError
from datamodules.runs.locks import held
from datamodules.runs.run_folder import make_folder, read_json, write_json
from experiments.running.plan import Node

Execute = Callable[[list[str], Path], int]
"""Arguments of `viewdistill` and the log to append to, to an exit status."""


class StageFailedError(Exception):
    """A stage ended with an error; the message is the last line of its log."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage, self.message = stage, message


@dataclass(frozen=True)
class Task:
    """A task."""

    key: str
    """Key of the task."""
    label: str
    """Name for people."""
    needs: tuple[str, ...]
    """Keys of tasks that must succeed before."""
    work: Callable[[], object]
    """The work; raises `StageFailedError` if it fails."""


def viewdistill(command: list[str], log: Path) -> int:
    """Run a subcommand in a process of its own with one thread.

    It locks its stage's folder (`commands.stages.job`): after a kill of the runner, the next runner's process waits for
    it.
    """
    environment = {"WANDB_MODE": "disabled", **os.environ, "OMP_NUM_THREADS": "1"}
    program = str(Path(sys.executable).with_name("viewdistill"))
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.run(
            [program, *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            check=False,
        )
    return process.returncode


def complete(node: Node, execute: Execute) -> None:
    """Compute a stage unless it is complete.

    Raises:
        StageFailedError: Its command ended with an error.
    """
    if node.done.is_file():
        return
    with held(node.folder.root):
        if node.done.is_file():
            return
        for needed in node.needs:
            link(needed, node.folder.root)
        if not node.needs:
            node.case.write(node.inputs)
        start = time.perf_counter()
        attempt(node.stage, list(node.command), node.log, execute)
        record = {"stage": node.stage, "key": node.key, "command": node.command}
        write_json(node.done, {**record, "seconds": round(time.perf_counter() - start, 3)})


def attempt(stage: str, command: list[str], log: Path, execute: Execute) -> None:
    """Run a command with a log.

    Raises:
        StageFailedError: The command ended with an error.
    """
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ viewdistill {' '.join(command)}\n")
    status = execute(command, log)
    if status != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip() and not line.startswith("$ ")), "")
        raise StageFailedError(stage, f"{last or 'no message'} (exit status {status}; {log})")


def link(node: Node, run: Path) -> None:
    """Link a stage into a run folder, replacing an earlier link."""
    target, place = node.folder.stage(node.stage), make_folder(run) / node.stage
    relative = os.path.relpath(target, run)
    if place.is_symlink() and os.readlink(place) == relative:  # noqa: PTH115 (a relative link is compared as it is)
        return
    place.unlink(missing_ok=True)
    place.symlink_to(relative, target_is_directory=True)


def cost_of(node: Node) -> dict[str, float | None]:
    """Return seconds and peak memory (MB) from a complete stage's record; without one, the measured seconds."""
    record = node.folder.record(node.stage)
    content: Any = read_json(record if record.is_file() else node.done)
    return {name: content.get(name) for name in ("seconds", "peak_memory_mb")}


def execute_all(
    tasks: list[Task],
    jobs: int,
    started: Callable[[Task], None],
    settled: Callable[[Task, StageFailedError | None], None],
) -> dict[str, StageFailedError]:
    """Run tasks, earlier ones first if several are ready.

    Args:
        tasks: The first of several with one key counts.
        jobs: Number of parallel tasks.
        started: Called when a task begins.
        settled: Called when a task has ended, failed or cannot begin, with the responsible failure.

    Returns:
        Failures by the key of the task that failed or could not begin.
    """
    waiting: dict[str, Task] = {}
    for task in tasks:
        waiting.setdefault(task.key, task)
    done: set[str] = set()
    failed: dict[str, StageFailedError] = {}
    running: dict[Future[object], Task] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or running:
                before = len(waiting)
                for task in list(waiting.values()):
                    broken = next((failed[key] for key in task.needs if key in failed), None)
                    if broken is not None:
                        del waiting[task.key]
                        failed[task.key] = broken
                        settled(task, broken)
                    elif len(running) < jobs and done.issuperset(task.needs):
                        del waiting[task.key]
                        started(task)
                        running[pool.submit(task.work)] = task
                if not running and len(waiting) == before:
                    raise ValueError(f"tasks that wait for each other or for none: {', '.join(waiting)}")
                if not running:
                    continue
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    error = failure(task, future)
                    if error is None:
                        done.add(task.key)
                    else:
                        failed[task.key] = error
                    settled(task, error)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def failure(task: Task, future: Future[object]) -> StageFailedError | None:
    """Return a task's failure, if any; unexpected errors count as failures, too.

    Raises:
        ClusterDiedError: It did, and no further task can be done.
    """
    error = future.exception()
    if error is None or isinstance(error, StageFailedError):
        return error
    if isinstance(error, Exception) and not isinstance(error, ClusterDiedError):
        return StageFailedError(task.label, f"{type(error).__name__}: {error}")
    raise error
