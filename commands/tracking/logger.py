"""Weights & Biases as Lightning's logger of the fitted stages."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import WandbLogger

from commands.tracking.run import PROJECT, Mode, RunDescription, run_mode, start_run
from datamodules.runs.staleness import kept_key


def attempt_id(folder: Path) -> str | None:
    """Return the identity of a stage's run: that of an attempt which this one goes on from; none without a key.

    A stage that is made anew has another key, and so another run.
    """
    key = kept_key(folder)
    return None if key is None else hashlib.sha256(f"{folder.absolute()} {key}".encode()).hexdigest()[:16]


class Tracker(WandbLogger):
    """A W&B run in the stage's folder, started with the first logged value.

    Args:
        name: Name of the run.
        save_dir: The stage's folder, within the object's; ``wandb/`` is written to it.
        project: W&B project.
        offline: Whether to keep everything on disk; by default from ``WANDB_MODE``, see
            `commands.tracking.run.run_mode`.
    """

    def __init__(self, name: str, save_dir: str, project: str = PROJECT, offline: bool | None = None) -> None:
        self.mode: Mode = run_mode() if offline is None else "offline" if offline else "online"
        folder = Path(save_dir)
        group, stage = folder.absolute().parts[-2:]
        self.description = RunDescription(name, folder, group, stage, project)
        self._run: Any = None
        super().__init__(name=name, save_dir=save_dir, project=project, offline=self.mode != "online")

    def describe(self, config: Mapping[str, Any], tags: tuple[str, ...]) -> None:
        """Describe the run, before it is started.

        Args:
            config: All settings of the stage, nested.
            tags: For filtering.
        """
        self.description = replace(self.description, config=config, tags=tags)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run; Lightning's own start waits long for an unreachable service, and has no disabled mode."""
        if self._run is None:
            identity = attempt_id(self.description.folder)
            # A run of this id is there only where this attempt has been at work before.
            resumes = any((self.description.folder / "wandb").glob(f"*run-*-{identity}"))
            described = replace(self.description, id=identity, resumes=resumes)
            self._run = self._experiment = start_run(described, self.mode)
            self._run.define_metric("trainer/global_step")
            self._run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return self._run
