"""The whole method on a small picture with tiny priors, by the command that users type, to be disturbed on its way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from datamodules.runs.run_folder import RunFolder
from datamodules.runs.stage_record import ATTEMPT
from datamodules.runs.stages import Route
from tests.running.forks import start_command
from viewdistill.resources import REPOSITORY

STAGES = Route().stages
"""Of the whole method, in the order of the walk."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
"""Variables with which the same command gives the same bytes."""

LIMIT = 900.0
"""Seconds after which a command counts as hanging."""

POLL = 0.01
"""Seconds between looks at a command."""


@dataclass(frozen=True)
class Moment:
    """When to disturb a command."""

    stage: str
    """In the window of this stage: from the end of the one before it to its own end."""
    share: float
    """After this share of the window's length in an undisturbed run."""
    working: bool = False
    """Whether the window begins later, when the stage has loaded all that it needs and begins to work."""


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    status: int
    """Exit status; negative where a signal ended the process."""
    errors: list[str]
    """Lines on its standard error."""
    stage: str
    """The stage that it was in; ``after`` the last one."""
    begun: bool
    """Whether that stage had begun to work, and not only to load."""
    seconds: float
    """From its start."""


class Windows(NamedTuple):
    """Lengths of an undisturbed run."""

    whole: dict[str, float]
    """Stage → seconds from the end of the one before it to its own."""
    works: dict[str, float]
    """Stage → seconds of these after all is loaded."""


@dataclass
class Call:
    """One call of the command."""

    process: subprocess.Popen[bytes] | BaseProcess
    output: Path
    errors: Path
    run: RunFolder
    began: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)

    def ended_stages(self) -> list[str]:
        """Stages of which it has said that they are complete."""
        lines = self.output.read_text().splitlines(keepends=True)
        return [line.split()[0] for line in lines if line.endswith("\n") and line.split()[0] in STAGES]

    @property
    def status(self) -> int | None:
        """Exit status, negative where a signal ended it; none while it runs."""
        return self.process.exitcode if isinstance(self.process, BaseProcess) else self.process.poll()

    def running(self) -> bool:
        """Whether it has not ended."""
        if time.monotonic() - self.began > LIMIT:
            self.send(signal.SIGKILL)
            raise AssertionError(f"hangs: {self.output.read_text()}")
        return self.status is None

    def send(self, number: int) -> None:
        """Send a signal to the process and its children."""
        assert self.process.pid is not None
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:  # it has not become a group yet
            os.kill(self.process.pid, number)

    def wait(self) -> Ending:
        """Wait for its end."""
        while self.running():
            time.sleep(POLL)
        ended = self.ended_stages()
        stage = next((name for name in STAGES if name not in ended), "after")
        begun = stage != "after" and (self.run.stage(stage) / ATTEMPT).is_file()
        status, errors = self.status, self.errors.read_text().splitlines()
        assert status is not None
        return Ending(status, errors, stage, begun, time.monotonic() - self.began)

    def at_work(self, stage: str) -> bool:
        """Whether a stage has begun to work in this call."""
        note = self.run.stage(stage) / ATTEMPT
        return note.is_file() and note.stat().st_mtime >= self.wall

    def stop_at(self, moment: Moment, windows: "Windows", number: int) -> Ending:
        """Send a signal to the process and its children at a moment, or at the end of that stage."""
        before = STAGES[: STAGES.index(moment.stage)]
        while self.running() and not set(before) <= set(self.ended_stages()):
            time.sleep(POLL)
        while moment.working and self.running() and not self.at_work(moment.stage):
            time.sleep(POLL)
            if moment.stage in self.ended_stages():
                break
        lengths = windows.works if moment.working else windows.whole
        due = time.monotonic() + moment.share * lengths[moment.stage]
        while self.running() and time.monotonic() < due and moment.stage not in self.ended_stages():
            time.sleep(POLL)
        if self.running():
            self.send(number)
        return self.wait()


class WholeObject:
    """`viewdistill object` of a small picture with the debug preset and tiny priors: half a minute on one core.

    Args:
        runs: Folder of the runs, made when missing.
        priors: Folder of tiny priors.
        forked: Whether the command is forked from a process that has imported everything, and makes short films.
        beside: Folder for image and logs; beside the runs when not given.
    """

    def __init__(self, runs: Path, priors: Path, forked: bool = False, beside: Path | None = None) -> None:
        beside = beside or runs.with_name(f"{runs.name}-beside")
        self.image, self.logs = write_image(beside), beside
        self.run = RunFolder(runs / self.image.stem)
        self.arguments = ["object", str(self.image), "--preset=debug", f"--runs={runs}"]
        self.arguments += [f"--options={name}={value}" for name, value in tiny_options(runs, priors).items()]
        self.forked, self.calls = forked, 0

    def start(self, *more: str, file_limit: int | None = None) -> Call:
        """Start the command in a process group of its own; one thread, so that sums are added up in one order.

        Args:
            more: Arguments.
            file_limit: Bytes beyond which no file may grow; of forked commands.
        """
        self.calls += 1
        output, errors = (self.logs / f"{self.calls:03}.{name}" for name in ("out", "err"))
        output.touch()
        arguments = [*self.arguments, *more]
        if self.forked:
            process = start_command(arguments, output, errors, ONE_THREAD, file_limit)
        else:
            process = start_program(arguments, output, errors)
        return Call(process, output, errors, self.run)

    def finish(self) -> Windows:
        """Run the command to its end, and return how long its stages took."""
        call = self.start()
        windows, last = Windows(dict.fromkeys(STAGES, 0.0), dict.fromkeys(STAGES, 0.0)), time.monotonic()
        began, ended = dict[str, float](), set[str]()
        while call.running():
            for stage in STAGES:
                if stage not in began and call.at_work(stage):
                    began[stage] = time.monotonic()
            for stage in call.ended_stages():
                if stage not in ended:
                    ended.add(stage)
                    now = time.monotonic()
                    windows.whole[stage], windows.works[stage] = now - last, now - began.get(stage, now)
                    last = now
            time.sleep(POLL)
        ending = call.wait()
        assert (ending.status, ending.errors) == (0, []), ending
        return windows

    @property
    def results(self) -> dict[str, bytes]:
        """Content of what must be the same after whatever happened."""
        paths = (self.run.glb, self.run.obj, self.run.stl)
        return {path.name: path.read_bytes() for path in paths}


def start_program(arguments: Sequence[str], output: Path, errors: Path) -> subprocess.Popen[bytes]:
    """Start `viewdistill` as a program, in a process group of its own; arguments as of `start_command`."""
    with output.open("wb") as out, errors.open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "commands", *arguments],
            cwd=REPOSITORY,
            env=os.environ | ONE_THREAD,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def write_image(folder: Path) -> Path:
    """A red square, of which everything is known."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((220, 0, 0, 255), (16, 16, 48, 48))
    picture.save(folder / "box.png")
    known = {"elevation_deg": 20.0, "caption": "a red box", "framing": "kept"}
    (folder / "box.json").write_text(json.dumps(known))
    return folder / "box.png"


def tiny_options(runs: Path, priors: Path) -> dict[str, str]:
    """Stage → options, with which every stage takes seconds."""
    text, view = priors / "stable-diffusion", priors / "zero123"
    lora = f"--model.prior={text} --data.image_size=16"
    return {
        "input": "--class-word=box",
        "field": f"--model.guidance.view_prior={view} --model.guidance.text_prior={text}",
        "novel_views": f"--model.view_prior={view} --model.text_prior={text}",
        "class_images": f"--model.prior={text} --data.cache={runs / 'class_images'}",
        **dict.fromkeys(("specialize_1", "specialize_2", "views"), lora),
        "surface": f"--model.reference.text_prior={text} --model.reference.interval=4",
        "mesh": "--resolution=32 --texture-size=64 --faces=500 --opacity-size=16",
    }
