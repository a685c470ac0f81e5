"""Settings of the field stage, as they stand in ``configs/field.yaml``."""

from dataclasses import dataclass, field, fields
from typing import Any

import torch

from viewdistill.errors import ViewDistillError
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.guidance.timesteps import Annealed
from viewdistill.precision import Precision
from viewdistill.rendering.volume_renderer import VolumeRenderer

Scheduled = float | Annealed
"""A constant, or a value that changes once; ``begin`` and ``end`` of the change are fractions of the whole fit."""


def value_at(scheduled: Scheduled, progress: float) -> float:
    """The value when a fraction ``progress`` of the fit is done."""
    return scheduled(progress) if isinstance(scheduled, Annealed) else float(scheduled)


@dataclass(frozen=True)
class FieldSettings:
    """Size of the radiance field and of its renderer."""

    grid: HashGridConfig = field(default_factory=HashGridConfig)
    """The hash grid."""
    radius: float = 1.0
    """Half the side of the cube that the field fills, world units."""
    hidden_width: int = 64
    """Width of the hidden layers of the density and the colour network."""
    n_hidden_layers: int = 1
    """Hidden layers of each network."""
    blob_scale: float = 10.0
    """Density bias at the origin (Magic3D's blob)."""
    blob_radius: float = 0.5
    """Where that bias is zero, world units from the origin."""
    precision: Precision = "auto"
    """What the networks compute in while training."""
    occupancy_resolution: int = 32
    """Cells a side of the occupancy grid."""
    n_samples_per_ray: int = 512
    """Samples on a diagonal of the cube; fixes the step size."""

    def build(self) -> VolumeRenderer:
        """A new field within its renderer.

        Raises:
            ViewDistillError: A size cannot be built.
        """
        try:
            density_field = DensityField(
                self.grid,
                radius=self.radius,
                hidden_width=self.hidden_width,
                n_hidden_layers=self.n_hidden_layers,
                blob_scale=self.blob_scale,
                blob_radius=self.blob_radius,
                precision=self.precision,
            )
        except ValueError as error:
            raise ViewDistillError(f"model.field: {error}") from error
        return VolumeRenderer(density_field, self.occupancy_resolution, self.n_samples_per_ray)


@dataclass(frozen=True)
class ScheduledWeights:
    """Weights of the terms of a loss; each a constant or annealed. Stages add a field for each of their terms."""

    def at(self, progress: float) -> dict[str, float]:
        """All weights when a fraction ``progress`` of the fit is done."""
        return {entry.name: value_at(getattr(self, entry.name), progress) for entry in fields(self)}

    def ever(self, name: str) -> bool:
        """Whether a term has a weight other than zero at any time."""
        scheduled: Scheduled = getattr(self, name)
        return (scheduled.initial, scheduled.final) != (0, 0) if isinstance(scheduled, Annealed) else scheduled != 0


@dataclass(frozen=True)
class LossWeights(ScheduledWeights):
    """Weight of every term of the loss; each a constant or annealed.

    Score terms are sums over a latent (L = ½‖z − sg(z − g)‖²/B), the others are means over pixels, which is why their
    weights differ by orders of magnitude.
    """

    score: Scheduled = 1.0
    """Score distillation of the novel views."""
    reference_score: Scheduled = 0.0
    """Reference-view score distillation of the input view."""
    color: Scheduled = 0.0
    """Mean squared colour error of random rays of the input view."""
    mask: Scheduled = 0.0
    """Mean squared opacity error of the same rays."""
    sparsity: Scheduled = 0.0
    """mean sqrt(o² + 0.01) of the novel views' opacity o."""
    opaque: Scheduled = 0.0
    """Binary cross-entropy of the novel views' opacity with itself."""
    z_variance: Scheduled = 0.0
    """Variance of depth along the novel views' rays (HiFA)."""


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW."""

    encoding_lr: float = 1e-2
    """Learning rate of the hash grid."""
    network_lr: float = 1e-3
    """Learning rate of the two networks."""
    factor: Scheduled = 1.0
    """Factor on both rates."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of the two moments."""
    eps: float = 1e-15
    """Added to the root of the second moment: hash-grid gradients are tiny, and a larger one would stall them."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""

    def adamw(self, groups: list[dict[str, Any]], total_steps: int) -> dict[str, Any]:
        """AdamW over groups of parameters with rates of their own, and the schedule, as Lightning takes them.

        Args:
            groups: Parameters with ``lr`` and ``name``.
            total_steps: Length of the fit.
        """
        optimizer = torch.optim.AdamW(
            groups, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: value_at(self.factor, min(1.0, step / max(1, total_steps)))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
