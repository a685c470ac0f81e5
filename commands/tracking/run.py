"""Runs of Weights & Biases for the stages: offline by default, silent, and without effect on the stage."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    import wandb

DEFAULTS = {
    "WANDB_SILENT": "true",
    "WANDB_CONSOLE": "off",
    "WANDB_ERROR_REPORTING": "false",  # W&B's error reports
    "WANDB_DISABLE_GIT": "true",
    "WANDB_INIT_TIMEOUT": "5",  # time-out of an unreachable service, seconds
    "WANDB_LOGIN_TIMEOUT": "20",  # time-out of a prompt for the API key, seconds
    "WANDB_FINISH_TIMEOUT": "120",  # longest wait for uploads at the end of a stage, seconds
}
"""Default settings of W&B; the user's environment overrides them."""

PROJECT = "viewdistill"
"""W&B project of the runs."""

Mode = Literal["online", "offline", "disabled"]
"""Mode of runs: uploaded, stored on disk for `wandb sync`, or disabled."""

FALLBACKS: dict[Mode, tuple[Mode, ...]] = {
    "online": ("online", "offline", "disabled"),
    "offline": ("offline", "disabled"),
    "disabled": ("disabled",),
}
"""Requested mode → modes to try, in order."""


@dataclass(frozen=True)
class RunDescription:
    """Description of a run in W&B."""

    name: str
    """Name of the run."""
    folder: Path
    """The stage's folder; W&B's files go to ``wandb/`` in it."""
    group: str
    """The object, as the group of its stages."""
    job_type: str
    """The stage."""
    project: str = PROJECT
    """W&B project."""
    tags: tuple[str, ...] = ()
    """Tags for filtering; at most 64 characters each."""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """All settings, nested."""
    id: str | None = None
    """Identity in the project, where a run of the same one is to be replaced; a new one when not given."""
    resumes: bool = False
    """Whether a run of the same identity is gone on with, and not replaced."""


def run_mode() -> Mode:
    """Return the mode in ``WANDB_MODE``: offline unless it is ``online`` or ``disabled``."""
    asked = os.environ.get("WANDB_MODE", "offline")
    return cast(Mode, asked) if asked in ("online", "disabled") else "offline"


def open_run() -> wandb.Run | None:
    """Return this process's open run, if any; does not import W&B."""
    module = sys.modules.get("wandb")
    return module.run if module else None


def start_run(description: RunDescription, mode: Mode | None = None, *, live: bool = True) -> wandb.Run:
    """Start a run; if that fails, an offline one, or else a disabled one.

    Args:
        description: Name, place and settings.
        mode: Overrides the environment's mode.
        live: Whether the run is open during the stage's work, so that system metrics are useful.

    Returns:
        A run to log to, in any case; a failure is one line on the standard error.
    """
    for variable, value in DEFAULTS.items():
        os.environ.setdefault(variable, value)
    # Tables are staged here until the upload, instead of in the user's home, where nobody would look for them.
    os.environ["WANDB_DATA_DIR"] = str((description.folder / "wandb").absolute())
    # Imported here because W&B reads the variables above when it is first imported.
    import wandb

    failure: Exception | None = None
    for attempt in FALLBACKS[mode or run_mode()]:
        try:
            run = wandb.init(
                name=description.name,
                project=description.project,
                group=description.group,
                job_type=description.job_type,
                tags=description.tags,
                config=dict(description.config),
                id=description.id,
                resume="allow" if description.resumes else None,
                dir=str(description.folder),
                mode=attempt,
                reinit="finish_previous",
                settings=wandb.Settings(x_disable_stats=not live),
            )
        except Exception as error:  # any error of W&B: it must not fail a stage
            failure = error
            continue
        if failure:
            place = f"kept in {description.folder / 'wandb'} for `wandb sync`" if attempt == "offline" else "not kept"
            print(f"{description.name}: W&B failed ({first_line(failure)}); this run is {place}", file=sys.stderr)
        return run
    raise AssertionError("a disabled run cannot fail to start") from failure


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type if empty."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
