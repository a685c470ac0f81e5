"""Early stop of a failed fit, with a diagnosis."""

import math
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from viewdistill.errors import ViewDistillError
from viewdistill.finite import non_finite

FIELD_ADVICE = "a lower model.optimizer.encoding_lr, model.guidance.scale or model.weights.sparsity, or precision fp32"
"""Advice for a failed field."""


class FiniteGuard(Callback):
    """Ends a fit at the first non-finite loss or gradient, or when the field has been empty for too long.

    All are checked together before the optimiser step, so that they reach neither a weight nor a checkpoint, with one
    synchronisation of the GPU per step. `callbacks.atomic_checkpoint` checks the state of a checkpoint.

    Args:
        empty_steps: Allowed consecutive steps with an ``opacity`` (in the training step's output) below
            ``empty_opacity``.
        empty_opacity: Mean opacity of the renders below which a field counts as empty.
        advice: Advice for the message.
    """

    def __init__(self, empty_steps: int = 50, empty_opacity: float = 1e-3, advice: str = FIELD_ADVICE) -> None:
        self.advice = advice
        self.empty_steps = empty_steps
        self.empty_opacity = empty_opacity
        self.empty_since = 0
        self.losses: list[Tensor] = []
        self.opacity: Tensor | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the state of an earlier fit."""
        self.empty_since, self.losses, self.opacity = 0, [], None

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Store the loss until the gradients are available."""
        self.losses.append(loss.detach())

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Check the losses since the last step, the gradients, and the opacity of the last step's renders.

        Raises:
            ViewDistillError: A loss or gradient is not finite, or the field has been empty for too long.
        """
        losses, self.losses = self.losses, []
        # a gradient scaler handles infinite gradients itself: they reduce its scale
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        gradients = [] if scaled else [p.grad for p in pl_module.parameters() if p.grad is not None]
        largest = torch.nn.utils.get_total_norm(gradients, norm_type=torch.inf)
        opacity = torch.ones(()) if self.opacity is None else self.opacity
        values = [*losses, largest, opacity]
        *found, size, opaque = torch.stack([value.float().to(pl_module.device) for value in values]).tolist()
        for loss in found:
            if not math.isfinite(loss):
                stop(trainer, f"the loss is {loss}", self.advice)
        if not math.isfinite(size):
            gradients_by_name = {name: p.grad for name, p in pl_module.named_parameters() if p.grad is not None}
            stop(trainer, f"the gradient of {non_finite(gradients_by_name)} is not finite", self.advice)
        self.empty_since = self.empty_since + 1 if opaque < self.empty_opacity else 0
        if self.empty_since > self.empty_steps:
            stop(trainer, f"the field has been empty for {self.empty_steps} steps", self.advice)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Store the opacity of the renders, if the training step returns it, until the next step's check."""
        opacity = outputs.get("opacity") if isinstance(outputs, dict) else None
        self.opacity = opacity.detach() if isinstance(opacity, Tensor) else None


def stop(trainer: Trainer, reason: str, advice: str) -> None:
    """End the fit with one line: the fault, the last good checkpoint and advice.

    Raises:
        ViewDistillError: Always.
    """
    checkpoint = last_checkpoint(trainer) or "none yet"
    raise ViewDistillError(f"step {trainer.global_step}: {reason}; last finite checkpoint: {checkpoint}; try {advice}")


def last_checkpoint(trainer: Trainer) -> Path | None:
    """Return the last written checkpoint, of this fit or of the resumed one."""
    saver: Any = trainer.checkpoint_callback
    if saver is None:
        return None
    places = [saver.best_model_path, Path(saver.dirpath or ".") / f"{saver.filename}{saver.FILE_EXTENSION}"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)
