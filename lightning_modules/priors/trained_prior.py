"""Common base of the trained priors: rates by steps or by the clock, clipped gradients, counts, saving."""

import copy
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from viewdistill.documents import read_json

CLIPPED_NORM = 1.0
"""Largest norm of a step's gradient; larger ones are clipped."""

LARGEST_FILE = "15MB"
"""Largest file of weights; larger ones are split."""

TRAINING_FILE = "training.json"
"""File beside a prior's components with steps, samples and seconds of its training."""


class TrainedPrior(pl.LightningModule):
    """A prior trained from procedural objects.

    Args:
        learning_rate: Peak rate of the optimiser.
        warmup_steps: Steps of linear warm-up.
        total_steps: Steps after which the cosine has reached a twentieth of the peak, where it stays.
        weight_decay: Weight decay of matrices and kernels; biases and normalisation gains do not decay.
        minutes: Duration of the cosine and of the training, over all sessions, minutes; replaces ``total_steps``.
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int,
        total_steps: int,
        weight_decay: float,
        minutes: float | None = None,
    ) -> None:
        super().__init__()
        self.minutes = minutes
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup_steps, self.total_steps = warmup_steps, total_steps
        self.earlier_steps = 0
        """Steps of earlier trainings behind the initial weights; saved in checkpoints."""
        self.samples_seen = 0
        """Training samples so far, over all processes and sessions; saved in checkpoints."""
        self.earlier_seconds = 0.0
        """Wall-clock seconds of earlier trainings behind the initial weights."""
        self.training_seconds = 0.0
        """Wall-clock seconds of this training so far; saved in checkpoints."""

    def continue_counts(self, folder: Path) -> None:
        """Continue the counts of the training behind the weights in ``folder``, if its record exists."""
        record = folder / TRAINING_FILE
        if record.is_file():
            counts = read_json(record, "delete it to start the counts at zero")
            self.earlier_steps, self.samples_seen = counts["steps"], counts["samples"]
            self.earlier_seconds = float(counts["seconds"])

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return parameter groups of the optimiser."""
        return self.decayed(self.parameters())

    def decayed(self, parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
        """Return two parameter groups: with weight decay and without."""
        trained = [p for p in parameters if p.requires_grad]
        return [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]

    def orthogonal(self, modules: dict[str, nn.Module], adamw: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return two parameter groups for `Muon`: kernels and matrices between features; then everything else.

        Args:
            modules: Trained modules, by name.
            adamw: Parts of the names of parameters for AdamW, such as first and last layers and tables.
        """
        named = {f"{name}.{key}": p for name, module in modules.items() for key, p in module.named_parameters()}
        between = [name for name, p in named.items() if p.ndim > 1 and not any(part in name for part in adamw)]
        return [
            {"params": [named[name] for name in between], "weight_decay": self.weight_decay, "orthogonal": True},
            {"params": [p for name, p in named.items() if name not in between], "weight_decay": 0.0},
        ]

    def rate_factor(self, step: int) -> float:
        """Return the factor on the learning rate at a step: linear warm-up, then half a cosine down to 0.05."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.minutes:
            progress = min(1.0, self.training_seconds / (60 * self.minutes))
        else:
            progress = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress))

    def optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW on the parameter groups."""
        return torch.optim.AdamW(self.parameter_groups(), lr=self.learning_rate, betas=(0.9, 0.99), fused=True)

    def configure_optimizers(self) -> Any:
        """Return the optimiser, with its rate set at every step."""
        optimizer = self.optimizer()
        # A plain function, because the schedule would save a bound method's attributes in checkpoints.
        schedule = LambdaLR(optimizer, lambda step: self.rate_factor(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def setup(self, stage: str) -> None:
        """On a GPU, store image networks' weights channels-last, as its convolutions read them, and allow TF32."""
        if self.trainer.strategy.root_device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            for name in ("unet", "vae"):
                network = getattr(self, name, None)
                if isinstance(network, nn.Module):
                    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def on_train_start(self) -> None:
        """Start the clock."""
        self.clock = time.monotonic()

    def count(self, batch_size: int) -> None:
        """Count a batch; every training step calls this."""
        self.samples_seen += batch_size * self.trainer.world_size
        now = time.monotonic()
        self.training_seconds, self.clock = self.training_seconds + now - self.clock, now
        if self.minutes and self.training_seconds >= 60 * self.minutes:
            self.trainer.should_stop = True
        self.log("train/samples", float(self.samples_seen), batch_size=batch_size)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the counts."""
        checkpoint["training"] = {
            "steps": self.earlier_steps + self.trainer.global_step,
            "samples": self.samples_seen,
            "seconds": round(self.earlier_seconds + self.training_seconds),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the counts."""
        self.earlier_steps = checkpoint["training"]["steps"] - checkpoint["global_step"]
        self.samples_seen = checkpoint["training"]["samples"]
        self.training_seconds = max(0.0, checkpoint["training"]["seconds"] - self.earlier_seconds)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient: Lightning's own clipping rejects fused optimisers under mixed precision."""
        norm = nn.utils.clip_grad_norm_(self.parameters(), CLIPPED_NORM)
        self.log("train/gradient_norm", norm)


def save_component(module: Any, folder: Path) -> None:
    """Write a component in fp16, split into files below a repository's limit; remove older files of it.

    Args:
        module: A model of diffusers or transformers; it is not changed.
        folder: The component's folder.
    """
    for old in (*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")):
        old.unlink()
    copy.deepcopy(module).half().to(memory_format=torch.contiguous_format).save_pretrained(
        folder, max_shard_size=LARGEST_FILE
    )
