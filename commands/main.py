"""The `viewdistill` command."""

from collections.abc import Sequence
from pathlib import Path

from commands.guard import guarded
from commands.parsing import Call, command_name, given, parse
from commands.process import prepare_process


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: Arguments after the program's name; those of the process when not given.

    Returns:
        Exit status: 0, 2 for a problem that the user can fix, 1 for a failure, 130 when interrupted, 143 when
        terminated. An error is one line on the standard error (`commands.guard`).
    """
    prepare_process()
    words = given(argv)
    calls: list[Call] = []

    def work() -> None:
        calls.append(parse(words))
        calls[0]()

    return guarded(f"viewdistill {command_name(words)}", work, lambda: log_folder(calls[0]) if calls else None)


def log_folder(call: Call) -> Path | None:
    """Return the existing run folder or output folder named by the options, if any."""
    folders = (getattr(call.request, name, None) for name in ("run_folder", "out"))
    return next((folder for folder in folders if isinstance(folder, Path) and folder.is_dir()), None)
