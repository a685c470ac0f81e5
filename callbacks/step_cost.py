"""Time and memory per step."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.runs.memory import peak_memory_mb


class StepCost(Callback):
    """Logs the seconds of each step, without data loading, validation and checkpoints, and the peak memory so far."""

    def __init__(self) -> None:
        self.start = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log both."""
        seconds = time.perf_counter() - self.start
        pl_module.log_dict({"cost/step_seconds": seconds, "cost/peak_memory_mb": peak_memory_mb()})
