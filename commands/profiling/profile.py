"""`viewdistill profile`: where the time and the memory of a fitted stage's step go."""

from __future__ import annotations

import argparse
import os

from commands import options
from commands.arguments import add_option, add_run_argument
from commands.profiling.request import STAGES, Request
from commands.stages.configuration import add_configuration_arguments

EPILOG = """\
Nothing of the run is changed: what is measured goes to RUN/profile-STAGE. Settings of the stage can be given as
options, as to the stage itself. FLOPs are those of matrix products, convolutions, attention and the hash grid; bytes
are the sizes of all operations' inputs and outputs, so that caches can lift a phase above the ceiling."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_run_argument(parser)
    parser.add_argument(
        "--stage", choices=STAGES, default=Request.stage, help="stage to profile (default: %(default)s)"
    )
    add_option(
        parser, "--steps", options.Integer(1, 10_000), Request.steps, "N", "steps by the clock, and as many profiled"
    )
    add_option(parser, "--warmup", options.Integer(1, 10_000), Request.warmup, "N", "steps before them")
    parser.add_argument(
        "--fitted", action="store_true", help="start from the stage's own checkpoint in place of new weights"
    )
    parser.add_argument(
        "--precisions",
        nargs="*",
        choices=("bf16", "fp16"),
        help="precisions to compare with fp32 (default: bf16 where the processor computes it fast)",
    )
    add_configuration_arguments(parser, "configs/STAGE.yaml")


def run(request: Request) -> None:
    """Profile, write and print.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    # Of torch's C++ parts: they report the start of the profiler, and what it cannot know.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # Imported here because torch reads these variables when it is first imported.
    from commands.profiling.profiled_run import profile_run

    profile_run(request)
