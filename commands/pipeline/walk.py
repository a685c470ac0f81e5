"""The walk through the stages of one object, in one process: priors are loaded and kernels compiled once."""

import gc
import os
import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from commands.pipeline.display import Display
from commands.pipeline.recipe import Recipe
from commands.stages.job import StageJob, no_files, run_stage
from datamodules.run_folder import RunFolder

LOG = "object.log"
"""File in a run folder with the stages' output."""


def jobs_of(recipe: Recipe, subject: Path | str, run: Path, stages: Sequence[str] | None = None) -> list[StageJob]:
    """Return the stages of an object with their settings, all of which are resolved before any stage is run.

    Args:
        recipe: The choices.
        subject: The input image, or words.
        run: The run folder.
        stages: Those to run; by default all of the route.

    Raises:
        ViewDistillError: A setting of any of the stages is wrong.
    """
    return [recipe.job(stage, subject, run) for stage in (recipe.route.stages if stages is None else stages)]


def walk(jobs: list[StageJob], display: Display) -> list[str]:
    """Run the stages that are out of date, in order.

    Args:
        jobs: From `jobs_of`; emptied, so that each stage's memory is released.
        display: Shows progress.

    Returns:
        Names of the stages that were run.

    Raises:
        ViewDistillError: A stage fails.
    """
    ran: list[str] = []
    cached: list[StageJob] = []
    while jobs:
        job = jobs.pop(0)
        if not job.holds():
            for needed in cached:
                if needed.name in job.needs and not needed.is_whole():
                    show(needed, display, again=True)
        if show(job, display):
            ran.append(job.name)
        if job.outputs is not no_files:
            cached.append(job)
        del job
        gc.collect()
    return ran


def show(job: StageJob, display: Display, again: bool = False) -> bool:
    """Run a stage with progress for the user, through `run_stage`."""
    display.start(job.name)
    with logged(job.folder):
        ran = run_stage(job, display.report, again)
    display.finish(job.name, ran)
    return ran


def stale(jobs: Sequence[StageJob]) -> list[str]:
    """Return the stages to run now and all that depend on them."""
    found: list[str] = []
    for job in jobs:
        if set(job.needs) & set(found) or not job.holds():
            found.append(job.name)
    return found


def command_lines(recipe: Recipe, subject: Path | str, run: Path, stages: Sequence[str]) -> list[str]:
    """Return the command lines of stages, for a shell."""
    return [shlex.join(("viewdistill", *recipe.command(stage, subject, run))) for stage in stages]


@contextmanager
def logged(folder: RunFolder) -> Generator[None]:
    """Redirect a stage's output to the run's log, or discard it without a run folder: a rejected image leaves none."""
    log = folder.root / LOG if folder.root.is_dir() else Path(os.devnull)
    with log.open("a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        yield
