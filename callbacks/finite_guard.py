"""Early stop of a failed fit, with a diagnosis."""

import math
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lightning_modules.checkpoints import last_checkpoint
from viewdistill.errors import ViewDistillError
from viewdistill.finite import non_finite

FIELD_ADVICE = "a lower model.optimizer.encoding_lr, model.guidance.scale or model.weights.sparsity, or precision fp32"
"""Advice for a failed field."""


class FiniteGuard(Callback):
    """Ends a fit at the first loss, gradient or parameter that is not finite, and when the field is empty for too long.

    All are looked at together before the step is taken, so that they reach neither a weight nor a checkpoint, and a GPU
    is waited for once per step. Parameters are looked at as well since a loss need not show them: a cell that no ray
    meets, or a sample that is left out. The rest of a checkpoint's state sees `callbacks.atomic_checkpoint`.

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
        """Look at the losses since the last step, gradients, parameters, and the opacity of the last step's renders.

        Raises:
            ViewDistillError: A loss, gradient or parameter is not finite, or the field has been empty for too long.
        """
        losses, self.losses = self.losses, []
        # a gradient scaler handles infinite gradients itself: they reduce its scale
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        learning = [p for p in pl_module.parameters() if p.grad is not None]
        gradients = [] if scaled else [p.grad for p in learning if p.grad is not None]
        largest = [torch.nn.utils.get_total_norm(tensors, norm_type=torch.inf) for tensors in (gradients, learning)]
        opacity = torch.ones(()) if self.opacity is None else self.opacity
        values = [*losses, *(norm.detach() for norm in largest), opacity]
        *found, gradient, parameter, opaque = torch.stack(
            [value.float().to(pl_module.device) for value in values]
        ).tolist()
        for loss in found:
            if not math.isfinite(loss):
                stop(trainer, f"the loss is {loss}", self.advice)
        named = {name: p for name, p in pl_module.named_parameters() if p.grad is not None}
        if not math.isfinite(parameter):
            stop(trainer, f"{non_finite(named)} is not finite", self.advice)
        if not math.isfinite(gradient):
            name = non_finite({name: p.grad for name, p in named.items()})
            stop(trainer, f"the gradient of {name} is not finite", self.advice)
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
