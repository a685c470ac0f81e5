"""Losses and gradients of the first steps, for comparing precisions."""

import time
from typing import Any

import torch
from jaxtyping import Float
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor


class GradientProbe(Callback):
    """Stores the loss, the gradient and the seconds of every step, and ends the fit after a number of steps.

    With learning rates of zero, all steps start from the same weights in any precision.

    Args:
        steps: Number of steps.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []
        self.gradients: list[Float[Tensor, " parameters"]] = []
        self.seconds: list[float] = []
        self.started = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Store the loss."""
        self.losses.append(float(loss.detach()))

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the gradient, all parameters in one vector."""
        parts = [p.grad.flatten().float().cpu() for p in pl_module.parameters() if p.grad is not None]
        self.gradients.append(torch.cat(parts))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the clock, and the fit after the last step."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        self.seconds.append(time.perf_counter() - self.started)
        if len(self.losses) >= self.steps:
            trainer.should_stop = True
