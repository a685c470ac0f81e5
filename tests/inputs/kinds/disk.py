"""States of the disk: read-only, full, without permission, or with something else in a place."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.inputs.case import OTHER, RUN, Accepted, Case, Refused
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
    for command, (arguments, names) in WRITERS.items():
        for given, (place, also) in PLACES.items():
            if command in ("examples", "convert", "mesh --export") and given not in ("a file in a folder's place", "a pipe"):
                continue
            yield Case(
                KIND,
                f"{given}: {command}",
                arguments,
                Refused(f"{names}|{also}", (1, 2)),
                placed(place),
                run=RUN in arguments,
                unprivileged=True,
                writes=(),
            )
        limited = () if command in ("examples", "convert", "mesh --export") else (0, 100)
        for limit in limited:
            yield Case(
                KIND,
                f"a disk with room for {limit:,} bytes a file: {command}",
                arguments,
                Refused(f"{names}|no space|limit|large", (1, 2)),
                placed(Path.mkdir),
                run=RUN in arguments,
                largest_file=limit,
                writes=("there",),
            )
    for stage in STAGES:
        if stage in COMMANDS:
            yield Case(
                KIND, f"a file in the place of a stage's folder: {stage}", COMMANDS[stage], Refused(stage), in_the_way(stage),
                run=True,
            )  # fmt: skip
            yield Case(
                KIND, f"a stage's folder that cannot be written: {stage}", (*COMMANDS[stage], *changed(stage)),
                Refused(f"{stage}|runs/robot", (1, 2)), without_permission(stage, 0o500), run=True, unprivileged=True,
            )  # fmt: skip
    for command in ("summary", "report", "evaluate"):
        yield Case(
            KIND, f"a run that cannot be read: {command}", COMMANDS[command], Refused("runs/robot"),
            without_permission("", 0o000), run=True, unprivileged=True,
        )  # fmt: skip
    for command in ("summary", "evaluate"):
        yield Case(
            KIND, f"a run that cannot be written: {command}", COMMANDS[command], Refused("runs/robot", (1, 2)),
            without_permission("", 0o500), run=True, unprivileged=True,
        )  # fmt: skip
    for command, name in (("summary", "summary.json"), ("evaluate", "evaluation.json"), ("report", "report/report.html")):
        yield Case(
            KIND, f"a folder in the place of a file: {command}", COMMANDS[command], Refused(name), folder_for(name), run=True
        )  # fmt: skip
    for name in ("input/rgba.png", "input/meta.json", "input/stage.json", "views/cameras.json", "views/000.png"):
        yield Case(
            KIND, f"a file that may not be read: {name}", COMMANDS["surface"], Refused(Path(name).name),
            without_permission(name, 0o000), run=True, unprivileged=True,
        )  # fmt: skip
    yield Case(
        KIND, "parents that are missing", ("input", "toy.png", "--out=there/is/none/toy", *KNOWN), Accepted(), toy,
        writes=("there",),
    )  # fmt: skip
    yield Case(
        KIND, "a name of 255 letters", ("input", "toy.png", f"--out=runs/{'x' * 255}", *KNOWN), Accepted(), toy
    )  # fmt: skip
    yield Case(KIND, "a path of 5,000 letters", ("input", "toy.png", f"--out={'x/' * 2500}", *KNOWN),
               Refused("path|name|long"), toy)  # fmt: skip


def changed(stage: str) -> tuple[str, ...]:
    """A setting that makes a stage's result hold no longer."""
    return {"mesh": ("--faces=100",), "report": ()}.get(stage, ("--seed=5",))
