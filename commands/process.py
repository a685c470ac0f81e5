"""What holds for the whole process, set before heavy libraries are imported: they read it once."""

import os
import sys
import tempfile
from io import TextIOWrapper
from pathlib import Path

SPINS = "10000"
"""Rounds that a waiting thread stays awake: a quarter off a field's step on two idle cores (docs/performance.md)."""

CACHES = {
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",
    "TRITON_CACHE_DIR": "triton",
    "WANDB_CACHE_DIR": "wandb-cache",
    "WANDB_CONFIG_DIR": "wandb-config",
}
"""Variable → folder of what libraries keep in the home folder. Downloaded weights are read from where they are."""


def prepare_process() -> None:
    """Make output, temporary files, caches and threads fit for this machine; what the user has set is left alone."""
    # Of transformers, at every start: a bar for the milliseconds in which the weights of a prior are read.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    set_output()
    set_folders()
    set_waiting()


def set_output() -> None:
    """Make printing safe: where the locale has no ε or a stream was closed, output is poorer, not an error."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the caller closed it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (open to the end)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def set_folders() -> None:
    """Choose a folder for temporary files, and one for caches where the home folder cannot be written."""
    try:
        temporary = tempfile.gettempdir()
    except OSError:  # no folder can be written; what needs one says so
        return
    if not Path(os.environ.get("TMPDIR") or temporary).is_dir():
        os.environ["TMPDIR"] = temporary  # other programs, as W&B's service, take the variable at its word
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home())
    except RuntimeError:  # a user without an entry among the system's users
        home = None
    if home is None or not os.access(home, os.W_OK):
        for variable, name in CACHES.items():
            os.environ.setdefault(variable, str(Path(temporary) / f"viewdistill-{os.getuid()}" / name))


def set_waiting() -> None:
    """Set how torch's threads wait for each other between parallel loops.

    Asleep where stages run side by side (`make -j`): waiting awake, they would keep each other from the cores. A lone
    stage has some thousand short loops per step, and its threads wait awake for a moment (`SPINS`) before they sleep.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    side_by_side = any(flag.startswith(("-j", "--jobserver")) for flag in os.environ.get("MAKEFLAGS", "").split())
    if not side_by_side:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
