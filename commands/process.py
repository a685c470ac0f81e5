"""Settings of the whole process, made before heavy libraries are imported, which read them once."""

import os
import sys
import tempfile
from io import TextIOWrapper
from pathlib import Path

SPINS = "10000"
"""Spins of a waiting thread: they save a quarter of a field's step on two idle cores (docs/performance.md)."""

CACHES = {
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",
    "TRITON_CACHE_DIR": "triton",
    "WANDB_CACHE_DIR": "wandb-cache",
    "WANDB_CONFIG_DIR": "wandb-config",
}
"""Variable → folder for libraries' files in the home folder. Downloaded weights stay in their place."""


def prepare_process() -> None:
    """Adapt output, temporary files, caches and threads to this machine; the user's settings are kept."""
    # transformers' bar for the milliseconds of reading a prior's weights.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    set_output()
    set_folders()
    set_waiting()


def set_output() -> None:
    """Make printing safe: a locale without ε or a closed stream degrades the output instead of raising."""
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
    except OSError:  # no folder can be written; code that needs one reports it
        return
    if not Path(os.environ.get("TMPDIR") or temporary).is_dir():
        os.environ["TMPDIR"] = temporary  # other programs, such as W&B's service, use the variable unchecked
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home())
    except RuntimeError:  # a user without an entry among the system's users
        home = None
    if home is None or not os.access(home, os.W_OK):
        for variable, name in CACHES.items():
            os.environ.setdefault(variable, str(Path(temporary) / f"viewdistill-{os.getuid()}" / name))


def set_waiting() -> None:
    """Set how torch's threads wait for each other between parallel loops.

    With parallel stages (`make -j`) they sleep at once, because spinning threads would block the other stages' cores. A
    single stage has about a thousand short loops per step, so its threads spin for a moment (`SPINS`) before they
    sleep.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    side_by_side = any(flag.startswith(("-j", "--jobserver")) for flag in os.environ.get("MAKEFLAGS", "").split())
    if not side_by_side:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
