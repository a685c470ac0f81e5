"""Work of a worker: one image to a complete run, by the functions of the command line, in its own process.

The process persists between objects, and with it the loaded priors (`lightning_modules.loaded_priors`).
"""

import os
import socket
import tempfile
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch

from commands.parsing import parse
from commands.pipeline.recipe import Recipe
from commands.pipeline.walk import keep_command
from commands.scaling.batch import digests, keys
from commands.scaling.images import ImageFile
from commands.scaling.results import Results, results_at
from datamodules.runs.memory_limit import limit_set
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import OutOfMemoryError, ViewDistillError
from viewdistill.resources import REPOSITORY

LOG = "objects.log"
"""File in a run folder with the stages' output."""


@dataclass(frozen=True)
class Job:
    """One object to make."""

    image: ImageFile
    """The input."""
    recipe: Recipe
    """The choices of the batch."""
    digests: dict[str, str]
    """Keys of the stages' settings on the machine that gives the job."""
    out: str
    """Place of the results, see `commands.scaling.results.results_at`."""
    working_folder: str
    """Base of relative paths in settings."""
    threads: int
    """Of the worker's computations."""
    memory_limit: int | None = None
    """Bytes that a stage may use, where the user set a limit; else what is free where the worker is."""


@dataclass(frozen=True)
class JobOutcome:
    """Outcome of a job."""

    name: str
    """Of the object."""
    error: str | None = None
    """One line; None for a complete object."""
    stages: tuple[str, ...] = ()
    """Stages that were run; the others were complete before."""
    seconds: float = 0.0
    """Wall-clock time, seconds."""
    worker: str = ""
    """Host and process that did it."""


def make_object(job: Job) -> JobOutcome:
    """Complete one object; any failure is returned, not raised."""
    start, ran = time.perf_counter(), list[str]()
    enter_process(job.threads, job.working_folder)
    error = None
    try:
        with limit_set(job.memory_limit):
            complete(job, ran)
    except (ViewDistillError, OutOfMemoryError) as problem:
        error = str(problem)
    except (Exception, SystemExit) as problem:  # a defect, or a setting that ends the process: the others go on
        reason = next(iter(str(problem).splitlines()), "")
        where = traceback.extract_tb(problem.__traceback__)[-1]
        error = f"{type(problem).__name__}: {reason} ({Path(where.filename).name}, line {where.lineno})"
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return JobOutcome(job.image.name, error, tuple(ran), time.perf_counter() - start, worker)


def enter_process(threads: int, working_folder: str) -> None:
    """Settings of the whole process.

    Args:
        threads: Of computations.
        working_folder: Where relative paths start; the repository where there is no such folder here.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)  # torch has read the variable by now; other libraries and children will
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, str(threads))
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.chdir(working_folder if Path(working_folder).is_dir() else REPOSITORY)


def complete(job: Job, ran: list[str]) -> None:
    """Run the stages that are not complete.

    Args:
        job: The object.
        ran: Names of the stages are added to it once they are complete.

    Raises:
        ViewDistillError: A stage cannot be run, or this machine would make other things of the settings.
    """
    if digests(job.recipe) != job.digests:
        raise ViewDistillError(
            f"{socket.gethostname()}: code, configs or priors in {REPOSITORY} are not those of the machine that gave "
            "the job; install the same version on all machines"
        )
    results, name = results_at(job.out), job.image.name
    wanted = keys(job.recipe, job.digests, (job.image.content, job.image.description))
    with results.workspace(name) as folder:
        done = {stage: key for stage, key in results.progress(name).items() if wanted.get(stage) == key}
        # The images of a class are in a cache of the machine that sampled them, which need not be this one.
        if "specialize_1" not in done:
            done.pop("class_images", None)
        for stage in job.recipe.route.stages:
            if stage in done:
                results.fetch(folder, stage)
                continue
            run_stage(job, results, folder, stage, done)
            done[stage] = wanted[stage]
            results.save_progress(name, done)
            ran.append(stage)
        if ran:
            run_command(["summary", str(folder.root)], folder.root / LOG)
            results.keep(folder, None)


def run_stage(job: Job, results: Results, folder: RunFolder, stage: str, done: dict[str, str]) -> None:
    """Run one stage and bring its files to their place.

    Raises:
        ViewDistillError: It cannot be run; before the input stage is complete, nothing of the object is left then.
    """
    # Of an image that cannot be used, nothing is to be left: there may be nothing known of the object yet.
    if results.progress(folder.name):
        results.save_progress(folder.name, done)
    if stage == "input":
        with tempfile.TemporaryDirectory(prefix="viewdistill-") as temporary:
            image = job.image.place(Path(temporary))
            run_command(job.recipe.command(stage, image, folder.root), Path(os.devnull))
    else:
        keep_command(folder, job.recipe.object_command(job.image.path, folder.root.parent))
        run_command(job.recipe.command(stage, job.image.path, folder.root), folder.root / LOG)
    results.keep(folder, stage)


def run_command(arguments: list[str], log: Path) -> None:
    """Run a subcommand in this process, as `viewdistill` would.

    Args:
        arguments: After the program's name.
        log: What it prints is added to this file.

    Raises:
        ViewDistillError: It cannot be run.
    """
    with log.open("a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        parse(arguments)()
