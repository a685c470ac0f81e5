"""Commands in processes that are forked from one that has imported everything: they begin at once."""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = ["tests.running.preloaded"]
"""Imported by the process that others are forked from."""


def start_command(
    arguments: Sequence[str],
    output: Path,
    errors: Path,
    environment: Mapping[str, str],
    file_limit: int | None = None,
) -> BaseProcess:
    """Start `viewdistill` in a process group of its own, with short films.

    Args:
        arguments: After the program's name.
        output: File for the standard output.
        errors: File for the standard error.
        environment: Variables besides those of this process.
        file_limit: Bytes beyond which no file may grow.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(
        target=run_command, args=(list(arguments), str(output), str(errors), {**os.environ, **environment}, file_limit)
    )
    process.start()
    return process


def run_command(arguments: list[str], output: str, errors: str, environment: dict[str, str], limit: int | None) -> None:
    """Be the command: its own session, its own streams, signals as in a shell."""
    os.setsid()
    for stream, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    from commands.main import main
    from commands.stages import mesh_making
    from viewdistill.mesh.contact_sheet import contact_sheet
    from viewdistill.mesh.turntable import write_turntable

    # Those of 100 frames would take most of the time.
    mesh_making.write_turntable = partial(write_turntable, frames=4, size=64)
    mesh_making.contact_sheet = partial(contact_sheet, size=48)
    sys.exit(main(arguments))
