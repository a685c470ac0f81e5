"""Settings of the field stage; a test compares the defaults with ``configs/field.yaml``."""

from dataclasses import dataclass
from typing import Any

import torch

from lightning_modules.schedules import Scheduled, ScheduledWeights, Shape, value_at, warm_up_factor
from viewdistill.errors import ViewDistillError
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.fields.mlp import Initialization
from viewdistill.guidance.timesteps import Annealed
from viewdistill.precision import Precision
from viewdistill.rendering.volume_renderer import VolumeRenderer

NANO_GRID = HashGridConfig(
    n_levels=8, n_features_per_level=2, log2_hashmap_size=16, base_resolution=16, per_level_scale=1.3459
)
"""The hash grid of both fields: up to 128 cells per side, its tables within a CPU's caches."""


@dataclass(frozen=True)
class FieldSettings:
    """Size of the radiance field and of its renderer."""

    grid: HashGridConfig = NANO_GRID
    """The hash grid."""
    radius: float = 0.65
    """Half the side of the cube that the field fills, world units."""
    hidden_width: int = 32
    """Width of the hidden layers of the density and the colour network."""
    n_hidden_layers: int = 1
    """Hidden layers of each network."""
    blob_scale: float = 10.0
    """Density bias at the origin (Magic3D's blob)."""
    blob_radius: float = 0.5
    """Distance from the origin where that bias is zero, world units."""
    precision: Precision = "auto"
    """Precision of the networks in training."""
    initialization: Initialization = "xavier"
    """Bounds of the networks' first weights: tiny-cuda-nn's, or those of `torch.nn.Linear` (the official code)."""
    occupancy_resolution: int = 32
    """Cells per side of the occupancy grid."""
    n_samples_per_ray: int = 96
    """Samples on a diagonal of the cube; fixes the step size."""

    def build(self) -> VolumeRenderer:
        """Build a new field within its renderer.

        Raises:
            ViewDistillError: A size is invalid.
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
                initialization=self.initialization,
            )
        except ValueError as error:
            raise ViewDistillError(f"model.field: {error}") from error
        return VolumeRenderer(density_field, self.occupancy_resolution, self.n_samples_per_ray)


@dataclass(frozen=True)
class LossWeights(ScheduledWeights):
    """Weight of every term of the loss; each a constant or annealed.

    Score terms are sums over a latent (L = ½‖z − sg(z − g)‖²/B), the others are means over pixels, so their weights
    differ by orders of magnitude. The reference-view score does not depend on the size of latents (`reference_loss`).
    """

    score: Scheduled = 1.0
    """Score distillation of the novel views."""
    reference_score: Scheduled = 0.0
    """Reference-view score distillation of the input view."""
    color: Scheduled = 500.0
    """Mean squared colour error of random rays of the input view."""
    mask: Scheduled = 100.0
    """Mean squared opacity error of the same rays."""
    sparsity: Scheduled = 10.0
    """mean sqrt(o² + 0.01) of the novel views' opacity o."""
    opaque: Scheduled = Annealed(0.0, 100.0, begin=0.6, end=0.7)
    """Binary cross-entropy of the novel views' opacity with itself."""
    z_variance: Scheduled = 0.0
    """Variance of depth along the novel views' rays (HiFA)."""


@dataclass(frozen=True)
class OptimizerSettings:
    """Settings of AdamW."""

    encoding_lr: float = 1e-2
    """Learning rate of the hash grid."""
    network_lr: float = 1e-3
    """Learning rate of the two networks."""
    factor: Scheduled = Annealed(1.0, 0.1, begin=0.6, end=1.0)
    """Factor on both rates."""
    factor_shape: Shape = "linear"
    """Interpolation of the factor."""
    warm_up: float = 0.0
    """Fraction of the fit with linearly rising rates; 0 for no warm-up."""
    warm_up_from: float = 0.01
    """Initial share of the rates in a warm-up."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay rates of the two moments."""
    eps: float = 1e-15
    """Added to the root of the second moment: hash-grid gradients are tiny, and a larger value would stall them."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ViewDistillError: A value is out of bounds.
        """
        if not (0 <= self.warm_up < 1 and 0 <= self.warm_up_from <= 1):
            raise ViewDistillError(
                f"model.optimizer: warm_up is {self.warm_up:g} and warm_up_from {self.warm_up_from:g}; give fractions"
            )
        ends = (self.factor.initial, self.factor.final) if isinstance(self.factor, Annealed) else (self.factor,)
        if self.factor_shape == "exponential" and min(ends) <= 0:
            raise ViewDistillError(
                f"model.optimizer: factor is {min(ends):g}, which a geometric change cannot reach; give more than 0"
            )

    def factor_at(self, progress: float) -> float:
        """Return the factor on all rates at ``progress``, the completed fraction of the fit."""
        value = value_at(self.factor, progress, self.factor_shape)
        return value * warm_up_factor(progress, self.warm_up, self.warm_up_from)

    def adamw(self, groups: list[dict[str, Any]], total_steps: int) -> dict[str, Any]:
        """Return AdamW over groups of parameters with their own rates, and the schedule, in Lightning's form.

        Args:
            groups: Parameters with ``lr`` and ``name``.
            total_steps: Length of the fit.
        """
        optimizer = torch.optim.AdamW(
            groups, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.factor_at(min(1.0, step / max(1, total_steps)))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
