"""`viewdistill sync`: upload offline runs to Weights & Biases."""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from commands.arguments import add_run_argument
from datamodules.runs.run_folder import RunFolder
from datamodules.runs.stages import STAGES
from viewdistill.errors import ViewDistillError


@dataclass(frozen=True)
class Request:
    """Options of the subcommand."""

    run_folder: Path
    """The run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_run_argument(parser)


def run(request: Request) -> None:
    """Upload stage by stage, so that a stage's inputs come before it, and last the run of the whole object.

    Raises:
        ViewDistillError: There is nothing to upload, or W&B fails.
    """
    folder = RunFolder(request.run_folder)
    if not folder.root.is_dir():
        there = sorted(path.name for path in folder.root.parent.glob("*/") if not path.name.startswith("."))
        choice = f"there are {', '.join(there[:20])}" if there else "there are none beside it"
        raise ViewDistillError(f"{folder.root}: no such run; {choice}")
    places = [*(folder.stage(stage) for stage in STAGES), folder.root]
    kept = [place for place in places if (place / "wandb").is_dir()]
    if not kept:
        raise ViewDistillError(f"{folder.root}: nothing was kept for W&B here (WANDB_MODE was disabled?)")
    for stage in kept:
        command = [sys.executable, "-m", "wandb", "sync", str(stage / "wandb")]
        status = subprocess.run(command, env={**os.environ, "WANDB_DIR": str(stage)}, check=False).returncode
        if status:
            raise ViewDistillError(
                f"{stage / 'wandb'}: `wandb sync` ended with status {status}; the same command resumes"
            )
