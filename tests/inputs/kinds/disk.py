"""States of the disk: read-only, full, without permission, or with something else in a place."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.inputs.case import OTHER, RUN, Accepted, Case, Ended, Expected, Refused
from tests.inputs.kinds.network import toy

KIND = "disk"

KNOWN = ("--elevation=10", "--class-word=box")

WRITERS: dict[str, tuple[tuple[str, ...], str]] = {
    "input": (("input", "toy.png", "--out=there/toy", *KNOWN), "there"),
    "object": (("object", "toy.png", "--runs=there", *KNOWN, "--only=input"), "there"),
    "objects-preview": (("objects-preview", "--count=1", "--size=8", "--out=there/sheet.png"), "there"),
    "render": (("render", RUN, "--frames=2", "--size=16", "--out=there/video"), "there"),
    "compare": (("compare", RUN, OTHER, "--out=there/table.md"), "there"),
    "mesh --export": (("mesh", RUN, "--export=there/robot.stl"), "there"),
    "examples": (("examples", "--out=there/examples"), "there"),
    "convert": (("convert", "toy.png", "there/prior"), "there"),
}
"""Command → words that make it write to `there`, and what the error names."""

PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file in a folder's place": (lambda there: there.write_text("x"), "there"),
    "a link to nothing": (lambda there: there.symlink_to("none/deeper"), "there"),
    "a loop of links": (lambda there: there.symlink_to("there"), "there"),
    "a pipe": (os.mkfifo, "there"),
    "a device": (lambda there: there.symlink_to("/dev/null"), "there"),
    "a folder without permission": (lambda there: there.mkdir(mode=0o500), "there"),
    "a folder that cannot be looked into": (lambda there: there.mkdir(mode=0o000), "there"),
    "a file system of the kernel": (lambda there: there.symlink_to("/proc"), "there|proc"),
}
"""What stands where a command is to write."""

STAGES = ("input", "field", "novel_views", "class_images", "specialize_1", "views", "surface", "mesh", "report")

COMMANDS = {
    "field": ("field", RUN, "--trainer.max_steps=1"),
    "novel_views": ("novel-views", RUN),
    "class_images": ("class-images", RUN),
    "specialize_1": ("specialize", RUN, "--stage=1"),
    "views": ("views", RUN),
    "surface": ("surface", RUN),
    "mesh": ("mesh", RUN),
    "report": ("report", RUN),
    "summary": ("summary", RUN),
    "evaluate": ("evaluate", RUN, "--gt", f"{RUN}/mesh/object.glb", "--protocols=surface", "--size=16"),
}


def placed(place: Callable[[Path], object]) -> Callable[[Path], object]:
    """A sound picture, and something at `there`."""

    def work(folder: Path) -> None:
        toy(folder)
        place(folder / "there")

    return work


def in_the_way(stage: str) -> Callable[[Path], object]:
    """A file where a stage has its folder."""

    def work(folder: Path) -> None:
        (folder / RUN / stage).rename(folder / "aside")
        (folder / RUN / stage).write_text("x")

    return work


def without_permission(name: str, mode: int) -> Callable[[Path], object]:
    """A file or folder of the run that may not be written or read."""
    return lambda folder: (folder / RUN / name).chmod(mode)


def folder_for(name: str) -> Callable[[Path], object]:
    """A folder where a file of the run is to be written."""

    def work(folder: Path) -> None:
        path = folder / RUN / name
        path.unlink(missing_ok=True)
        (path / "within").mkdir(parents=True)

    return work


def cases() -> Iterator[Case]:
    """All states."""
    for command in WRITERS:
        yield from places(command)
    for stage in STAGES:
        if stage in COMMANDS:
            yield from stage_folders(stage)
    yield from files_of_runs()
    yield from names()


def places(command: str) -> Iterator[Case]:
    """A command that is to write where something else stands, or where there is no room."""
    arguments, names = WRITERS[command]
    slow = command in ("examples", "convert", "mesh --export")
    for given, (place, also) in PLACES.items():
        if slow and given not in ("a file in a folder's place", "a pipe"):
            continue
        expected = Refused(f"{names}|{also}", (1, 2))
        yield of_run(f"{given}: {command}", arguments, expected, placed(place), unprivileged=True, writes=())
    for limit in () if slow else (0, 100):
        expected = Refused(f"{names}|no space|limit|large", (1, 2))
        given = f"a disk with room for {limit:,} bytes a file: {command}"
        yield of_run(given, arguments, expected, placed(Path.mkdir), largest_file=limit, writes=("there",))


def of_run(
    given: str, arguments: tuple[str, ...], expected: Expected, prepare: Callable[[Path], object], **more: Any
) -> Case:
    """A case, with a finished run where its words name one."""
    return Case(KIND, given, arguments, expected, prepare, run=RUN in arguments, **more)


def stage_folders(stage: str) -> Iterator[Case]:
    """A stage whose folder is a file, or cannot be written."""
    command = COMMANDS[stage]
    given = f"a file in the place of a stage's folder: {stage}"
    yield of_run(given, command, Refused(stage), in_the_way(stage))
    given = f"a stage's folder that cannot be written: {stage}"
    expected, prepare = Refused(f"{stage}|runs/robot", (1, 2)), without_permission(stage, 0o500)
    yield of_run(given, (*command, *changed(stage)), expected, prepare, unprivileged=True)


def files_of_runs() -> Iterator[Case]:
    """Runs and files of runs that cannot be read or written."""
    for command in ("summary", "report", "evaluate"):
        prepare = without_permission("", 0o000)
        given = f"a run that cannot be read: {command}"
        yield of_run(given, COMMANDS[command], Refused("runs/robot"), prepare, unprivileged=True)
    for command in ("summary", "evaluate"):
        prepare = without_permission("", 0o500)
        given = f"a run that cannot be written: {command}"
        yield of_run(given, COMMANDS[command], Refused("runs/robot", (1, 2)), prepare, unprivileged=True)
    written = {"summary": "summary.json", "evaluate": "evaluation.json", "report": "report/report.html"}
    for command, name in written.items():
        given = f"a folder in the place of a file: {command}"
        yield of_run(given, COMMANDS[command], Refused(name), folder_for(name))
    for name in ("input/rgba.png", "input/meta.json", "input/stage.json", "views/cameras.json", "views/000.png"):
        prepare = without_permission(name, 0o000)
        # A record that may not be read says that its stage is complete, which is all that this stage asks.
        expected = Ended() if name.endswith("stage.json") else Refused(Path(name).name)
        command = ("mesh", RUN, "--faces=100") if name.endswith("stage.json") else COMMANDS["surface"]
        yield of_run(f"a file that may not be read: {name}", command, expected, prepare, unprivileged=True)


def names() -> Iterator[Case]:
    """Names of folders that are not there yet."""
    given = "parents that are missing"
    yield of_run(given, ("input", "toy.png", "--out=there/is/none", *KNOWN), Accepted(), toy, writes=("there",))
    yield of_run("a name of 255 letters", ("input", "toy.png", f"--out=runs/{'x' * 255}", *KNOWN), Accepted(), toy)
    long = ("input", "toy.png", f"--out={'x/' * 2500}", *KNOWN)
    yield of_run("a path of 5,000 letters", long, Refused("path|name|long"), toy)


def changed(stage: str) -> tuple[str, ...]:
    """A setting that makes a stage's result hold no longer."""
    return {"mesh": ("--faces=100",), "report": ()}.get(stage, ("--seed=5",))
