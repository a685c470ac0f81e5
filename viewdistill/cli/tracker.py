"""Weights & Biases as the stages use it: offline unless asked, silent, and without reports to its makers."""

import os

from pytorch_lightning.loggers import WandbLogger

QUIET = {
    "WANDB_SILENT": "true",
    "WANDB_CONSOLE": "off",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_DISABLE_GIT": "true",
}
"""Settings that hold unless the user's environment says otherwise."""


class Tracker(WandbLogger):
    """A W&B run in the stage's folder.

    Args:
        name: Name of the run.
        save_dir: Folder that ``wandb/`` is written to.
        project: W&B project.
        offline: Whether to keep everything on disk; by default unless ``WANDB_MODE=online`` is set.
    """

    def __init__(self, name: str, save_dir: str, project: str = "viewdistill", offline: bool | None = None) -> None:
        for variable, value in QUIET.items():
            os.environ.setdefault(variable, value)
        offline = os.environ.get("WANDB_MODE") != "online" if offline is None else offline
        super().__init__(name=name, save_dir=save_dir, project=project, offline=offline)
        # Lightning passes a setting that W&B has dropped, and W&B then warns on every run.
        self._wandb_init.pop("anonymous", None)
