"""Progress as a few plain lines, for output that is not a terminal."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class PlainProgress(Callback):
    """Prints a line per tenth of a fit's steps, with seconds and metrics, and per batch of predictions."""

    def __init__(self) -> None:
        self.start = 0.0
        self.first_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.start = time.perf_counter()
        self.first_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print after every tenth."""
        steps, total = trainer.global_step, trainer.max_steps
        if total < 1 or not trainer.is_global_zero or 10 * steps // total == 10 * (steps - 1) // total:
            return
        seconds = time.perf_counter() - self.start
        metrics = ", ".join(f"{name} {float(value):.4g}" for name, value in trainer.progress_bar_metrics.items())
        rate = (steps - self.first_step) / max(seconds, 1e-9)
        print(f"step {steps}/{total}, {seconds:.0f} s, {rate:.1f} steps/s{', ' * bool(metrics)}{metrics}", flush=True)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Print after every batch."""
        if trainer.is_global_zero:
            print(f"batch {batch_idx + 1} of {int(trainer.num_predict_batches[dataloader_idx])}", flush=True)
