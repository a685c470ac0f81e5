"""Settings of the surface stage; a test compares the defaults with ``configs/surface.yaml``."""

from dataclasses import dataclass
from typing import Literal

from lightning_modules.field_settings import NANO_GRID, OptimizerSettings
from lightning_modules.guidance_settings import REFERENCE_TIMESTEPS
from lightning_modules.schedules import Scheduled, ScheduledWeights, value_at
from viewdistill.errors import ViewDistillError
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.fields.sdf_field import DistanceNetwork, SDFField
from viewdistill.guidance.timesteps import Annealed, UniformTimesteps
from viewdistill.precision import Precision
from viewdistill.rendering.neus import NeusRenderer

ColorRays = Literal["all", "hit"]
"""Rays of the colour term: all, or those with any sample of the surface (instant-nsr-pl)."""


@dataclass(frozen=True)
class SurfaceSettings:
    """Size of the signed distance field and of its renderer."""

    grid: HashGridConfig = NANO_GRID
    """The hash grid."""
    radius: float = 0.65
    """Half the side of the cube that the field fills, world units."""
    sphere_radius: float = 0.4
    """Radius of the initial sphere, world units."""
    hidden_width: int = 32
    """Width of the hidden layers of both networks."""
    n_hidden_layers: int = 1
    """Hidden layers of the distance network."""
    n_color_layers: int = 1
    """Hidden layers of the colour network."""
    distance_network: DistanceNetwork = "residual"
    """An exact sphere plus a network of the hash features; or ``geometric``, instant-nsr-pl's network of position and
    features with biases and weight normalisation."""
    n_geometry_features: int = 13
    """Outputs of a geometric network, the distance included; the colour network reads them."""
    view_dependent: bool = False
    """Whether colour may depend on the direction of view."""
    gradients: Literal["analytic", "finite_difference"] = "analytic"
    """Computation of the distance's gradient."""
    epsilon: float | None = None
    """Step of finite differences, world units; the finest active level's cell when not given."""
    initial_inverse_std: float = 40.0
    """NeuS's s at the start, per world unit; learned."""
    precision: Precision = "auto"
    """Precision of the colour network in training."""
    occupancy_resolution: int = 32
    """Cells per side of the occupancy grid."""
    n_samples_per_ray: int = 96
    """Samples on a diagonal of the cube; fixes the step size."""
    alpha_threshold: float = 1e-3
    """Samples less opaque than this are dropped; 0 keeps all."""
    early_stop: float = 1e-4
    """Samples behind a transmittance below this are dropped; 0 keeps all."""

    def build(self) -> NeusRenderer:
        """Build a new field within its renderer.

        Raises:
            ViewDistillError: A size is invalid.
        """
        try:
            sdf_field = SDFField(
                self.grid,
                radius=self.radius,
                sphere_radius=self.sphere_radius,
                hidden_width=self.hidden_width,
                n_hidden_layers=self.n_hidden_layers,
                n_color_layers=self.n_color_layers,
                distance_network=self.distance_network,
                n_geometry_features=self.n_geometry_features,
                view_dependent=self.view_dependent,
                gradients=self.gradients,
                epsilon=self.epsilon,
                initial_inverse_std=self.initial_inverse_std,
                precision=self.precision,
            )
        except ValueError as error:
            raise ViewDistillError(f"model.surface: {error}") from error
        return NeusRenderer(
            sdf_field, self.occupancy_resolution, self.n_samples_per_ray, self.alpha_threshold, self.early_stop
        )


@dataclass(frozen=True)
class SurfaceSchedule:
    """Schedules besides weights and rates; fractions of the whole fit."""

    active_levels: Scheduled = Annealed(4.0, 8.0, begin=0.0, end=0.5)
    """Number of active levels of the hash grid, from the coarsest; rounded down, at most all."""
    annealing: Scheduled = Annealed(0.0, 1.0, begin=0.0, end=0.5)
    """r of NeuS's annealed cosine, from 0 to 1."""

    def levels_at(self, progress: float, n_levels: int) -> int:
        """Return the number of active levels at ``progress``, the completed fraction of the fit."""
        return max(1, min(n_levels, int(value_at(self.active_levels, progress))))


@dataclass(frozen=True)
class SurfaceWeights(ScheduledWeights):
    """Weight of every term of the loss; each a constant or annealed."""

    color: Scheduled = 10.0
    """Mean squared colour error of the views' rays."""
    mask: Scheduled = 0.1
    """Binary cross-entropy of opacity and mask of the same rays."""
    eikonal: Scheduled = 0.5
    """Mean of (|∇f| - 1)² over the samples and over random points of the cube."""
    normal_smoothness: Scheduled = 0.02
    """Mean difference between normals at surface points and at points offset by ``smoothness_distance``."""
    input_color: Scheduled = 10.0
    """Colour term of the input view, if the reference is ``mse`` or ``both``."""
    input_mask: Scheduled = 0.1
    """Mask term of the input view, likewise."""
    reference_score: Scheduled = 0.00125
    """Reference-view score distillation, if the reference is ``refsd`` or ``both``; in the unit of `reference_loss`, so
    that 1 is the paper's weight for a prior of any latent size."""


@dataclass(frozen=True)
class ReferenceSettings:
    """Use of the input view."""

    method: Literal["none", "mse", "refsd", "both"] = "both"
    """None, its pixels, reference-view score distillation (the paper), or both."""
    interval: int = 16
    """Steps between scores: each renders the whole view and evaluates the prior twice."""
    timesteps: UniformTimesteps = REFERENCE_TIMESTEPS
    """Noise levels of the score."""
    text_prior: str = "priors/nano/stable-diffusion"
    """Folder of the text-conditioned prior, diffusers layout."""
    precision: Precision = "auto"
    """Precision of the prior; g is always computed in fp32."""

    def __post_init__(self) -> None:
        """Reject an interval below 1.

        Raises:
            ViewDistillError: The interval is below 1.
        """
        if self.interval < 1:
            raise ViewDistillError(f"model.reference.interval is {self.interval}; give 1 step or more")

    @property
    def by_pixels(self) -> bool:
        """Whether pixels are compared."""
        return self.method in ("mse", "both")

    @property
    def by_score(self) -> bool:
        """Whether scores are compared."""
        return self.method in ("refsd", "both")


@dataclass(frozen=True)
class SurfaceOptimizer(OptimizerSettings):
    """Settings of AdamW, with a rate for NeuS's s."""

    inverse_std_lr: float = 1e-3
    """Learning rate of (ln s) / 10."""
    factor: Scheduled = Annealed(1.0, 0.1, begin=0.3, end=1.0)
    """Factor on all rates."""
