"""Subcommands as the GPU check runs them: from a copy of the repository that need not be installed."""

import subprocess
import sys
from pathlib import Path

from viewdistill.errors import ViewDistillError

REPOSITORY = Path(__file__).resolve().parents[1]


def viewdistill(*arguments: object) -> None:
    """Run a subcommand in a process of its own.

    Raises:
        ViewDistillError: It failed.
    """
    command = [sys.executable, "-m", "commands", *map(str, arguments)]
    if subprocess.run(command, cwd=REPOSITORY, check=False).returncode:
        raise ViewDistillError(f"`viewdistill {' '.join(map(str, arguments))}` failed")
