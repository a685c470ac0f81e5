"""One line per stage: a bar with step and time left in a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

WIDTH = 13
"""Width of the longest stage name, plus one."""


class Display:
    """Progress display of an object's stages.

    Args:
        quiet: Whether to show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        # Stages print to a log while they run; this keeps the terminal.
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        columns = (
            TextColumn(f"{{task.description:<{WIDTH}}}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
        )
        self.progress = Progress(
            *columns,
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.task: TaskID | None = None
        self.began = 0.0

    def __enter__(self) -> "Display":
        """Start drawing."""
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        """Stop drawing."""
        self.progress.stop()

    def start(self, stage: str) -> None:
        """Show that a stage has begun."""
        self.began = time.perf_counter()
        self.task = self.progress.add_task(stage, total=None)

    def report(self, done: int, total: int) -> None:
        """Show the progress of the stage.

        Args:
            done: Steps or images.
            total: All of them.
        """
        if self.task is not None:
            self.progress.update(self.task, completed=done, total=total if total > 0 else None)

    def finish(self, stage: str, ran: bool) -> None:
        """Show that a stage has ended.

        Args:
            stage: Name.
            ran: Whether it was run; otherwise its result was up to date.
        """
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None
        how = f"{time.perf_counter() - self.began:.1f} s" if ran else "up to date"
        self.say(stage, how)

    def say(self, name: str, text: str) -> None:
        """Print a line under a heading."""
        self.console.print(f"{name:<{WIDTH}}{text}", markup=False)
