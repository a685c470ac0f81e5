"""Runs of Weights & Biases as the stages use them: offline unless asked, silent, and never in a stage's way."""

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
    "WANDB_ERROR_REPORTING": "false",  # W&B's reports to its makers
    "WANDB_DISABLE_GIT": "true",
    "WANDB_INIT_TIMEOUT": "5",  # seconds until a service that is away is given up
    "WANDB_LOGIN_TIMEOUT": "20",  # seconds until a prompt for the API key is given up
    "WANDB_FINISH_TIMEOUT": "120",  # seconds that the end of a stage waits for uploads
}
"""Settings of W&B that hold unless the user's environment says otherwise."""

PROJECT = "viewdistill"
"""The project of W&B that runs belong to."""

Mode = Literal["online", "offline", "disabled"]
"""Whether runs are sent, kept on disk for `wandb sync`, or not kept at all."""

FALLBACKS: dict[Mode, tuple[Mode, ...]] = {
    "online": ("online", "offline", "disabled"),
    "offline": ("offline", "disabled"),
    "disabled": ("disabled",),
}
"""What is tried, in order, for each mode that is wanted."""


@dataclass(frozen=True)
class RunDescription:
    """How a run appears in W&B."""

    name: str
    """Name of the run."""
    folder: Path
    """The stage's folder; W&B's files go to ``wandb/`` in it."""
    group: str
    """The object, so that W&B shows its stages together."""
    job_type: str
    """The stage."""
    project: str = PROJECT
    """W&B project."""
    tags: tuple[str, ...] = ()
    """For filtering; at most 64 characters each."""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """All settings, nested."""
    id: str | None = None
    """Identity in the project, where a run of the same one is to be replaced; a new one when not given."""
    resumes: bool = False
    """Whether a run of the same identity is gone on with, and not replaced."""


def run_mode() -> Mode:
    """What ``WANDB_MODE`` asks for: offline unless it says ``online`` or ``disabled``."""
    asked = os.environ.get("WANDB_MODE", "offline")
    return cast(Mode, asked) if asked in ("online", "disabled") else "offline"


def open_run() -> wandb.Run | None:
    """The run that this process has open, if any; does not import W&B."""
    module = sys.modules.get("wandb")
    return module.run if module else None


def start_run(description: RunDescription, mode: Mode | None = None, *, live: bool = True) -> wandb.Run:
    """Start a run; where that fails, one that is kept offline, or else one that keeps nothing.

    Args:
        description: Name, place and settings.
        mode: Instead of what the environment asks for.
        live: Whether the run is open while the stage works, so that its use of the machine is worth sampling.

    Returns:
        A run to log to, whatever happens; a failure is told in one line on the standard error.
    """
    for variable, value in DEFAULTS.items():
        os.environ.setdefault(variable, value)
    # Tables are staged here until they are sent. W&B's own place is in the user's home, where nobody would look for it.
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
        except Exception as error:  # whatever W&B raises: it must not fail a stage
            failure = error
            continue
        if failure:
            place = f"kept in {description.folder / 'wandb'} for `wandb sync`" if attempt == "offline" else "not kept"
            print(f"{description.name}: W&B failed ({first_line(failure)}); this run is {place}", file=sys.stderr)
        return run
    raise AssertionError("a disabled run cannot fail to start") from failure


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
