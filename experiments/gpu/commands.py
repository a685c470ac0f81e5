"""Subcommands as the GPU check runs them: from a copy of the repository that need not be installed."""

from commands.main import main
from viewdistill.errors import ViewDistillError


def viewdistill(*arguments: object) -> None:
    """Run a subcommand in this process, where the libraries are loaded already.

    Raises:
        ViewDistillError: It failed.
    """
    words = [str(argument) for argument in arguments]
    if main(words):
        raise ViewDistillError(f"`viewdistill {' '.join(words)}` failed")
