"""Progress of a fit in steps: as a bar in a terminal, or told to whoever shows it."""

from collections.abc import Callable
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import RichProgressBar


class StepProgress(RichProgressBar):
    """Lightning's bar for fits that count steps and know no epochs."""

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning writes "Epoch 0/-2" where the number of epochs is not limited.
        return "Steps"


class StepReport(Callback):
    """Tells the steps that are done.

    Args:
        report: Told the steps done and the steps in all.
    """

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.report = report

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell where a resumed fit goes on."""
        self.report(trainer.global_step, trainer.max_steps)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell a step."""
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
        """Tell a batch of predictions."""
        total = trainer.num_predict_batches[dataloader_idx]
        self.report(batch_idx + 1, int(total))
