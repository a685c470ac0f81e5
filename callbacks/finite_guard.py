"""Stops a fit that has gone wrong, while there is still something to say about it."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from viewdistill.errors import ViewDistillError

FIELD_ADVICE = "a lower model.optimizer.encoding_lr, model.guidance.scale or model.weights.sparsity, or precision fp32"
"""What to try where a field went wrong."""


class FiniteGuard(Callback):
    """Ends a fit at the first loss or gradient that is not finite, and when the field has been empty for too long.

    Both are looked at before the step is taken, so that they reach neither a weight nor a checkpoint.

    Args:
        empty_steps: Consecutive steps that are allowed with an ``opacity`` (in the training step's output) below
            ``empty_opacity``.
        empty_opacity: Mean opacity of the renders under which a field counts as empty.
        advice: What to try, for the message.
    """

    def __init__(self, empty_steps: int = 50, empty_opacity: float = 1e-3, advice: str = FIELD_ADVICE) -> None:
        self.advice = advice
        self.empty_steps = empty_steps
        self.empty_opacity = empty_opacity
        self.empty_since = 0

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Look at the loss.

        Raises:
            ViewDistillError: It is not finite.
        """
        if not torch.isfinite(loss):
            stop(trainer, f"the loss is {float(loss.detach())}", self.advice)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at the gradients.

        Raises:
            ViewDistillError: One is not finite.
        """
        for name, parameter in pl_module.named_parameters():
            # a sum is not finite where an entry is not, and costs one pass without a temporary
            if parameter.grad is not None and not torch.isfinite(parameter.grad.sum()):
                stop(trainer, f"the gradient of {name} is not finite", self.advice)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the opacity of the renders, where the training step returns it.

        Raises:
            ViewDistillError: The field has been empty for too long.
        """
        opacity = outputs.get("opacity") if isinstance(outputs, dict) else None
        empty = opacity is not None and float(opacity) < self.empty_opacity
        self.empty_since = self.empty_since + 1 if empty else 0
        if self.empty_since > self.empty_steps:
            stop(trainer, f"the field has been empty for {self.empty_steps} steps", self.advice)


def stop(trainer: Trainer, reason: str, advice: str) -> None:
    """End the fit with a line that says what happened, what is left of it and what to try.

    Raises:
        ViewDistillError: Always.
    """
    checkpoint = getattr(trainer.checkpoint_callback, "best_model_path", "") or "none yet"
    raise ViewDistillError(f"step {trainer.global_step}: {reason}; last good checkpoint: {checkpoint}; try {advice}")
