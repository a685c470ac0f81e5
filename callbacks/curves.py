"""Logged values as a table beside the checkpoint, readable without the tracker."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.runs.curves import CURVES_FILE, CurveRow, load_rows, save_rows


class Curves(Callback):
    """Writes ``curves.csv`` into the trainer's ``default_root_dir``: one row per ``log_every_n_steps``, and the last.

    It is written with every checkpoint and at the end. A resumed fit continues after the rows of its checkpoint, so
    that the table equals that of an uninterrupted fit. Callbacks whose metrics it records must come before it in the
    YAML.
    """

    def __init__(self) -> None:
        self.rows: list[CurveRow] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the rows up to the checkpoint."""
        known = load_rows(table(trainer)) if trainer.global_step else []
        self.rows = [row for row in known if row.step <= trainer.global_step]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a row."""
        step = trainer.global_step
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        due = step % every == 0 or step == trainer.max_steps
        # With accumulated gradients, several batches are one step.
        if self.rows is not None and due and (not self.rows or self.rows[-1].step < step):
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            self.rows.append(CurveRow(step, metrics))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the table before the checkpoint, so that its rows are never missing."""
        self.write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the table."""
        self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write the table, unless training never started, as for a complete fit."""
        if self.rows is not None and trainer.is_global_zero:
            save_rows(table(trainer), self.rows)


def table(trainer: Trainer) -> Path:
    """Return the path of the curves."""
    return Path(trainer.default_root_dir) / CURVES_FILE
