"""`viewdistill profile`: where the time and the memory of a fitted stage's step go."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

STAGES = ("field", "specialize_1", "specialize_2", "surface")
"""The fitted stages."""

EPILOG = """\
Nothing of the run is changed: what is measured goes to RUN/profile-STAGE. Settings of the stage can be given as
options, as to the stage itself. FLOPs are those of matrix products, convolutions, attention and the hash grid; bytes
are the sizes of all operations' inputs and outputs, so that caches can lift a phase above the ceiling."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    from commands.stages.configuration import add_configuration_arguments

    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run folder, as runs/robot")
    parser.add_argument("--stage", choices=STAGES, default="field", help="which stage (default: field)")
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="steps by the clock, and as many profiled")
    parser.add_argument("--warmup", type=int, default=5, metavar="N", help="steps before them (default: 5)")
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


def run(arguments: argparse.Namespace) -> None:
    """Profile, write and print.

    Raises:
        ViewDistillError: A number of steps is too small, an earlier stage is missing, or a setting is wrong.
    """
    from viewdistill.errors import ViewDistillError

    if arguments.steps < 1 or arguments.warmup < 1:
        raise ViewDistillError("--steps and --warmup must be at least 1")
    # Of torch's C++ parts, which report the profiler's start, and what it cannot know; read when torch is imported.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from commands.profiling.report import print_profile, track_profile, write_profile
    from commands.profiling.stage_profile import profile_stage
    from datamodules.run_folder import RunFolder

    folder = RunFolder(arguments.run_folder)
    output = folder.root / f"profile-{arguments.stage}"
    profile = profile_stage(arguments, folder, output)
    write_profile(profile, output)
    print_profile(profile, output)
    track_profile(profile, folder, output)
