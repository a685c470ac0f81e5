"""Progress of a fit in steps: a bar in a terminal, or reports to a function."""

from collections.abc import Callable
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import RichProgressBar


class StepProgress(RichProgressBar):
    """Lightning's bar for fits that count steps, not epochs."""

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning writes "Epoch 0/-2" if the number of epochs is not limited.
        return "Steps"


class StepReport(Callback):
    """Reports completed steps.

    Args:
        report: Called with the completed steps and the total.
    """

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report = report

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the first step of a resumed fit."""
        self.report(trainer.global_step, trainer.max_steps)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report a step."""
        self.report(trainer.global_step, trainer.max_steps)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Report a batch of predictions."""
        total = trainer.num_predict_batches[dataloader_idx]
        self.report(batch_idx + 1, int(total))
