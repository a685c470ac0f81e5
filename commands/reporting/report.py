"""`viewdistill report`: all results of a run on one page."""

import argparse
from pathlib import Path

EPILOG = """\
The page holds all of its pictures, the mesh and its viewer, and needs neither a network nor other files: it can be
sent on as it is. Stages that were not run are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="run folder with a complete input stage, as runs/robot"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        ViewDistillError: The input stage is missing, or a file of a complete stage is damaged.
    """
    from commands.stages.requirements import require
    from commands.tracking.stage import track_stage
    from datamodules.run_folder import STAGES, RunFolder, atomic_path
    from datamodules.stage_record import record_stage

    folder = RunFolder(arguments.run_folder)
    meta = require(folder)
    with record_stage(folder.stage("report"), "report") as figures:
        from commands.reporting.content import gather
        from viewdistill.report.page import render_page

        page = gather(folder, meta)
        with atomic_path(folder.report) as partial:
            partial.write_text(render_page(page), encoding="utf-8")
        figures["warnings"], figures["missing"] = list(page.warnings), list(page.missing)
    print(f"{folder.report}: open it in a browser")
    track_stage(folder, "report", uses=[stage for stage in STAGES if stage not in ("report", *page.missing)])
