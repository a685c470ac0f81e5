"""Cases run in forks of a process that has imported all commands once.

A case that crashes, hangs or fills the memory ends its fork alone.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, TextIO

from tests.inputs.case import RUN, SECONDS, Case, Outcome
from tests.inputs.sandbox import (
    REPOSITORY,
    canary_sings,
    changes,
    make_sandbox,
    package_state,
    remove_sandbox,
    sandbox_state,
)

MEMORY = 12 << 30
"""Bytes of addresses of a case: a bomb must meet a limit before the machine does."""

LONGEST = 20_000
"""Characters of output that are kept."""

FINISHED = (
    *("object", "examples/robot.png", "--preset=debug", "--elevation=10", "--class-word=robot", "--runs=runs"),
    *(f"--options={stage}=--trainer.max_steps={steps}" for stage, steps in (("field", 2), ("surface", 2))),
    *(f"--options=specialize_{stage}=--trainer.max_steps=1" for stage in (1, 2)),
)
"""What makes the finished run that cases damage: every stage, with as few steps as there are."""


def environment_of(case: Case, folder: Path) -> dict[str, str]:
    """The environment of a case: this one without what make hands down, with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    kept |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(REPOSITORY)}
    kept |= {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    kept["CUDA_VISIBLE_DEVICES"] = ""  # cases about devices mean a machine without a GPU
    kept |= {name: value for name, value in case.environment.items() if value is not None}
    return {name: value for name, value in kept.items() if case.environment.get(name, value) is not None}


def command_of(case: Case) -> list[str]:
    """The words that run a case in a process of its own."""
    program = ["make"] if case.program == "make" else [sys.executable, "-m", "commands"]
    return [*program, *case.arguments]


def become(case: Case, folder: Path, out: int, err: int) -> NoReturn:
    """Be the command, in a fork: set what the case sets, run it, and end the process with its status."""
    os.setsid()
    if case.output is not None:
        out = os.open(case.output, os.O_WRONLY)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    os.closerange(3, 1024)
    os.chdir(folder)
    environment = environment_of(case, folder)
    if case.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (case.largest_file, case.largest_file))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if case.unprivileged:
        give_up_privileges()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if case.program != "viewdistill":
        command = command_of(case)
        os.execvpe(command[0], command, environment)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # found out anew, from the environment
    run_here(case.arguments)


def give_up_privileges() -> None:
    """Give up every capability of Linux: permissions then hold for root as for anyone who owns the files."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none):
        raise OSError(ctypes.get_errno(), "capset")


def run_here(arguments: Sequence[str]) -> NoReturn:
    """Run the command in this process, and end it."""
    status: int | str | None = 1
    try:
        sys.stdin, sys.stdout, sys.stderr = (
            open(0, closefd=False),  # noqa: SIM115 (descriptors)
            open(1, "w", closefd=False),  # noqa: SIM115
            open(2, "w", closefd=False, buffering=1),  # noqa: SIM115
        )
        sys.argv = ["viewdistill", *arguments]
        from commands.main import main

        status = main(list(arguments))
        sys.stdout.flush()
    except SystemExit as stop:
        status = stop.code
    except BaseException:
        traceback.print_exc()
    os._exit(status if isinstance(status, int) else int(status is not None))


class Printed:
    """What a process prints into a pipe, which holds no more than is read in time.

    Args:
        end: The end to read from.
    """

    def __init__(self, end: int) -> None:
        os.set_blocking(end, False)
        self.end, self.text = end, b""

    def read(self) -> None:
        """Read what there is."""
        with contextlib.suppress(BlockingIOError):
            while content := os.read(self.end, 1 << 16):
                self.text = (self.text + content)[:LONGEST]

    def close(self) -> str:
        """Read the rest, and return all of it as text."""
        self.read()
        os.close(self.end)
        return self.text.decode("utf-8", "replace")


def patience() -> float:
    """Seconds that a case may take: more where other work keeps it from the processor."""
    return SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def ended(process: int, case: Case, out: Printed, err: Printed) -> tuple[int | None, float]:
    """Status of a process that ends in time, and its processor time, seconds.

    One that does not end is killed with all that it started, and has no status.
    """
    began, interrupted, killed = time.monotonic(), False, False
    pause = 0.002
    while True:
        out.read()
        err.read()
        found, status, used = os.wait4(process, os.WNOHANG)
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            return None if killed else os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        if case.until and not interrupted and case.until.encode() in out.text:
            os.kill(process, signal.SIGINT)
            interrupted = True
        if not killed and time.monotonic() - began > patience():
            os.killpg(process, signal.SIGKILL)
            killed = True
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)


def outcome(case: Case, folder: Path, finished: Path | None) -> Outcome:
    """Run a case and see what comes of it.

    Args:
        case: The case.
        folder: For it alone; removed again.
        finished: The finished run, where the case needs one.
    """
    make_sandbox(case, folder, finished)
    package, before = package_state(), sandbox_state(folder)
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        become(case, folder, out_end, err_end)
    os.close(out_end)
    os.close(err_end)
    printed, said = Printed(out), Printed(err)
    try:
        status, used = ended(process, case, printed, said)
        seconds = time.monotonic() - began
        changed = changes(before, sandbox_state(folder), case.writes) + changes(package, package_state())
        times = (round(seconds, 2), round(used, 2))
        return Outcome(status, *times, printed.close(), said.close(), changed, canary_sings(folder))
    finally:
        remove_sandbox(folder)


def import_commands() -> None:
    """Import what the commands do, so that forks need not."""
    warnings.simplefilter("ignore")
    from commands.process import prepare_process
    from commands.table import SUBCOMMANDS

    prepare_process()
    for module in ("torch", "pytorch_lightning.cli", "diffusers", "transformers", "trimesh", "PIL.Image"):
        importlib.import_module(module)
    for subcommand in SUBCOMMANDS.values():
        subcommand.load()
    for module in ("lightning_modules.radiance_field", "lightning_modules.surface", "commands.evaluation.scores"):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()


def finished_run(folder: Path) -> Path:
    """Make the finished run, in a process of its own."""
    environment = {**os.environ, "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    folder.mkdir(parents=True)
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    done = subprocess.run(
        [sys.executable, "-m", "commands", *FINISHED],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / RUN


def share(cases: Sequence[Case], folder: Path, answers: TextIO) -> None:
    """Run cases one after another, and write their outcomes as lines of JSON."""
    finished = folder / "finished" / RUN
    for case in cases:
        result = outcome(case, folder / f"case-{os.getpid()}", finished if finished.is_dir() else None)
        print(json.dumps({"name": case.name, **asdict(result)}), file=answers, flush=True)


def run_all(cases: Sequence[Case], folder: Path, workers: int) -> Iterator[tuple[Case, Outcome]]:
    """Run cases, several at a time, and give what comes of each as it comes.

    Args:
        cases: The cases.
        folder: For their folders, and the finished run.
        workers: Forks of this process that share them.
    """
    named = {case.name: case for case in cases}
    end, start = os.pipe()
    children: list[int] = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(end)
                share(cases[worker::workers], folder, os.fdopen(start, "w"))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    os.close(start)
    with os.fdopen(end) as answers:
        for line in answers:
            content: dict[str, Any] = json.loads(line)
            yield named[content.pop("name")], Outcome(**{**content, "changed": tuple(content["changed"])})
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, "a worker failed"
