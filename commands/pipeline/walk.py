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
from datamodules.runs.run_folder import MadeBy, RunFolder
from viewdistill.files import ADVICE, refused

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


def walk(jobs: list[StageJob], display: Display, command: Sequence[str]) -> list[str]:
    """Run the stages whose results do not hold, in order.

    Args:
        jobs: From `jobs_of`; emptied, so that each stage's memory is released.
        display: Shows progress.
        command: Arguments of `viewdistill` that make the object, which the run keeps for its report.

    Returns:
        Names of the stages that were run.

    Raises:
        ViewDistillError: A stage fails.
    """
    ran: list[str] = []
    cached: list[StageJob] = []
    while jobs:
        job = jobs.pop(0)
        keep_command(job.folder, command)
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


def keep_command(folder: RunFolder, command: Sequence[str]) -> None:
    """Keep the command that makes an object in its run, once there is one: of a refused image nothing is left."""
    if folder.root.is_dir():
        MadeBy(["viewdistill", *command]).save(folder.command)


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
    """Send what a stage prints to the run's log; before there is a run, nowhere: of a refused image nothing is left.

    Raises:
        ViewDistillError: The log cannot be written.
    """
    log = folder.root / LOG if folder.root.is_dir() else Path(os.devnull)
    try:
        with log.open("a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
            yield
    except OSError as error:
        # An error of a file that is open names none: what stages write by name is refused by name (`atomic_path`).
        if error.filename not in (None, str(log)) or error.errno not in ADVICE:
            raise
        raise refused(log, "cannot be written", error) from error
