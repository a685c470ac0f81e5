"""Growth of costs: the field's step and peak memory with its sizes, whole batches with objects and workers.

python -m experiments.measurements.growth           # runs/growth/growth.csv, growth.png; minutes

Every size is varied alone, the others stay those of configs/field.yaml, each in a process of its own. Seconds are the
median of the last steps; a machine that does other things meanwhile shows it.
"""

import csv
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from commands.arguments import add_out_argument
from commands.parsing import OneLineParser
from datamodules.runs.run_folder import atomic_path, make_folder
from experiments.reporting.rows import write_rows
from experiments.script import parse_request, run_script, script_parser
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

STEPS = 40
"""Of each fit."""

MEASURED = 20
"""Steps at its end that count."""

SIZES = {
    "side of a novel view, pixels": ("model.init_args.view_size", (32, 64, 96, 128)),
    "novel views a step": ("data.init_args.views_per_step", (1, 2, 4, 8)),
    "samples on the diagonal": ("model.init_args.field.n_samples_per_ray", (48, 96, 192, 384)),
}
"""Varied size → its setting, and the values."""

OBJECTS = "objects"
"""Heading of the plot of whole batches."""

IMAGES = ("robot", "duck", "mug", "house")
"""Examples of a batch."""


@dataclass(frozen=True)
class Cost:
    """Cost of one setting."""

    varied: str
    value: int
    seconds: float
    """A step; of the whole batch where objects are varied."""
    peak_memory_mb: float | None
    """None where several processes share the work."""
    workers: int = 1


def viewdistill(arguments: Sequence[str], log: Path) -> None:
    """Run a subcommand, with one thread a process unless the environment says more.

    Raises:
        ViewDistillError: It ended with an error.
    """
    program = str(Path(sys.executable).with_name("viewdistill"))
    environment = {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", **os.environ}
    with log.open("a", encoding="utf-8") as file:
        done = subprocess.run([program, *arguments], stdout=file, stderr=file, env=environment, check=False)
    if done.returncode:
        raise ViewDistillError(f"viewdistill {arguments[0]} ended with status {done.returncode}; see {log}")


def field_cost(run: Path, varied: str, setting: str, value: int) -> Cost:
    """Fit a field for some steps with one setting."""
    if (run / "field").exists():
        shutil.rmtree(run / "field")
    viewdistill(
        [
            "field",
            str(run),
            f"--trainer.max_steps={STEPS}",
            "--trainer.limit_val_batches=0",
            "--trainer.log_every_n_steps=1",
            f"--{setting}={value}",
        ],
        run / "log.txt",
    )
    with (run / "field" / "curves.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["cost/step_seconds"]]
    seconds = [float(row["cost/step_seconds"]) for row in rows[-MEASURED:]]
    return Cost(varied, value, statistics.median(seconds), float(rows[-1]["cost/peak_memory_mb"]))


def batch_cost(folder: Path, count: int, workers: int) -> Cost:
    """Make some objects at once, as far as the field's mesh."""
    images, out = folder / f"images-{count}", folder / f"objects-{count}-{workers}"
    for path in (images, out):
        if path.exists():
            shutil.rmtree(path)
    make_folder(images)
    for name in IMAGES[:count]:
        for suffix in (".png", ".json"):
            shutil.copy(REPOSITORY / "examples" / f"{name}{suffix}", images)
    start = time.perf_counter()
    options = [f"--out={out}", "--source=field", f"--workers={workers}"]
    options += [f"--options=field=--trainer.max_steps={2 * STEPS} --trainer.limit_val_batches=0"]
    viewdistill(["objects", str(images), *options], folder / "log.txt")
    return Cost(OBJECTS, count, time.perf_counter() - start, None, workers)


def measure(folder: Path) -> list[Cost]:
    """All costs."""
    run = make_folder(folder / "robot")
    viewdistill(["input", str(REPOSITORY / "examples" / "robot.png"), f"--out={run}"], run / "log.txt")
    costs = [field_cost(run, varied, setting, value) for varied, (setting, values) in SIZES.items() for value in values]
    return costs + [batch_cost(folder, count, workers) for workers in (1, 2) for count in (1, 2, 4)]


def plot(costs: Sequence[Cost]) -> Figure:
    """A panel for everything that is varied: seconds, and memory on the right."""
    names = list(dict.fromkeys(cost.varied for cost in costs))
    figure = Figure(figsize=(3.4 * len(names), 2.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        of_panel = [cost for cost in costs if cost.varied == name]
        for workers in dict.fromkeys(cost.workers for cost in of_panel):
            line = [cost for cost in of_panel if cost.workers == workers]
            label = f"{workers} worker{'s' * (workers > 1)}" if name == OBJECTS else None
            axes.plot([c.value for c in line], [c.seconds for c in line], marker=".", label=label)
        memory = [(cost.value, cost.peak_memory_mb) for cost in of_panel if cost.peak_memory_mb is not None]
        if memory:
            right = axes.twinx()
            right.plot(*zip(*memory, strict=True), linestyle=":", color="tab:red")
            right.set_ylim(bottom=0)
            right.set_ylabel("peak memory, MB (dotted)", fontsize=8)
        else:
            axes.legend(fontsize=8)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(name, fontsize=9)
        axes.set_ylabel("seconds" if name == OBJECTS else "seconds a step", fontsize=8)
        axes.tick_params(labelsize=8)
    return figure


def write(costs: Sequence[Cost], folder: Path) -> None:
    """Write ``growth.csv`` and ``growth.png``."""
    write_rows(costs, folder / "growth.csv")
    with atomic_path(folder / "growth.png") as partial:
        plot(costs).savefig(partial, dpi=110, format="png")


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    out: Path = Path("runs/growth")
    """Folder to write to."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("measurements.growth", __doc__)
    add_out_argument(parser, Request.out)
    return parser


def run(request: Request) -> None:
    """Measure how costs grow, write and print.

    Raises:
        ViewDistillError: A subcommand ended with an error.
    """
    folder = make_folder(request.out)
    costs = measure(folder)
    write(costs, folder)
    for cost in costs:
        of_workers = f" with {cost.workers} workers" if cost.varied == OBJECTS else ""
        print(f"{cost.value:4d} {cost.varied}{of_workers}: {cost.seconds:.3f} s")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    return run_script("growth", lambda: run(parse_request(build_parser(), Request, argv)))


if __name__ == "__main__":
    sys.exit(main())
