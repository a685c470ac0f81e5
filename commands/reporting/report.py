"""`viewdistill report`: all results of a run on one page."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from commands.arguments import add_run_argument
from commands.reporting.content import gather
from commands.stages.job import StageJob, run_stage
from commands.tracking.object import track_object
from datamodules.runs.run_folder import InputMeta, RunFolder, atomic_path
from viewdistill.report.page import render_page

EPILOG = """\
The page holds all of its pictures, the mesh and its viewer, and needs neither a network nor other files: it can be
sent on as it is. Stages that were not run are named."""


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """Folder of the run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_run_argument(parser, "a complete input stage")


def run(request: Request) -> None:
    """Write the page.

    Raises:
        ViewDistillError: The input stage is missing, or a file of a complete stage is damaged.
    """
    job = prepare(request)
    run_stage(job)
    track_object(job.folder)
    print(f"{job.folder.report}: open it in a browser")


def prepare(request: Request) -> StageJob:
    """Describe the stage; of what a run can have, the page shows what is there."""
    folder = RunFolder(request.run_folder)
    return StageJob("report", folder, {}, lambda _: partial(write, folder), required=("input",))


def write(folder: RunFolder) -> Mapping[str, Any]:
    """Write the page, and return what it warns of and lacks."""
    page = gather(folder, InputMeta.load(folder.input_meta))
    with atomic_path(folder.report) as partial_page:
        partial_page.write_text(render_page(page), encoding="utf-8")
    return {"warnings": list(page.warnings), "missing": list(page.missing)}
