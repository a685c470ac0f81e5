"""The `viewdistill` command."""

import os
import sys
from collections.abc import Sequence

from commands.parsing import one_line, parse
from viewdistill.errors import ViewDistillError

SPINS = "10000"
"""Rounds that a waiting thread stays awake: a quarter off a field's step on two idle cores (docs/performance.md)."""


def set_waiting() -> None:
    """How torch's threads wait for each other between parallel loops; read when torch is first imported.

    Asleep where stages run side by side (`make -j`): waiting awake, they would keep each other from the cores. A lone
    stage has some thousand short loops a step, and its threads wait awake for a moment (`SPINS`) before they sleep.
    What the user has set is left alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    side_by_side = any(flag.startswith(("-j", "--jobserver")) for flag in os.environ.get("MAKEFLAGS", "").split())
    if not side_by_side:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: Arguments after the program's name; those of the process when not given.

    Returns:
        Exit status: 0, 2 for a problem the user can mend, 130 when interrupted.
    """
    # Of transformers, at every start: a bar for the milliseconds in which the weights of a prior are read.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    set_waiting()
    call = parse(argv)
    try:
        call()
    except ViewDistillError as error:
        print(f"viewdistill {call.name}: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"viewdistill {call.name}: interrupted; the same command resumes", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`viewdistill … | head`); keep Python from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0
