"""Volume rendering of a signed distance field without bias: NeuS (Wang et al. 2021) on an occupancy grid.

Names: ``f`` signed distance, ``s`` inverse standard deviation, ``Φ`` the logistic function of s f, ``δ`` length of a
sample's interval, ``c`` cosine between the ray and ∇f, -1 where the ray meets the surface head-on. Constants are those
of instant-nsr-pl (`models/neus.py`).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.fields.sdf_field import SurfaceQuery
from viewdistill.phases import phase
from viewdistill.rendering.compositing import accumulate, transmittance, weights_from_alpha
from viewdistill.rendering.marching import Samples, march
from viewdistill.rendering.volume_renderer import RenderOutput, ViewRenderer, composite

OCCUPANCY_THRESHOLD = 1e-3
"""Largest α, for a ray that meets the surface head-on, at which a cell can count as empty."""


@runtime_checkable
class SignedDistanceField(Protocol):
    """Interface of a renderable field, such as `viewdistill.fields.SDFField`."""

    radius: float
    """Half the side of the cube around the origin that holds the field, world units."""

    @property
    def inverse_std(self) -> Float[Tensor, ""]:
        """s, per world unit."""
        ...

    def encode(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n features"]:
        """Return features of world positions, which the other two methods can reuse."""
        ...

    def sdf(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, " n"]:
        """Return the signed distance of world positions, world units, negative inside."""
        ...

    def query(
        self,
        points: Float[Tensor, "n 3"],
        directions: Float[Tensor, "n 3"],
        known: Float[Tensor, "n features"] | None = None,
    ) -> SurfaceQuery:
        """Return distance, gradient and colour of world positions seen along unit directions."""
        ...


@dataclass(frozen=True)
class SurfaceOutput(RenderOutput):
    """Render of a surface along rays."""

    normals: Float[Tensor, "rays 3"]
    """Weighted sum of unit normals, not divided by the opacity."""
    gradients: Float[Tensor, "samples 3"]
    """∇f of each sample."""


def annealed_cosine(cosine: Float[Tensor, " n"], annealing: float) -> Float[Tensor, " n"]:
    """Return the c of α, never positive: c̃ = -[relu(½ - ½c)(1 - r) + relu(-c) r].

    Early in a fit a ray that leaves the surface (c > 0) still sees it, so that gradients reach surfaces with the wrong
    orientation.

    Args:
        cosine: c.
        annealing: r, from 0 at the start to 1.
    """
    return -((0.5 - 0.5 * cosine).relu() * (1 - annealing) + (-cosine).relu() * annealing)


def neus_alpha(
    sdf: Float[Tensor, " n"],
    cosine: Float[Tensor, "*n"],
    lengths: Float[Tensor, " n"],
    inverse_std: Float[Tensor, ""],
) -> Float[Tensor, " n"]:
    """Return α = max(0, (Φ(f₋) - Φ(f₊)) / Φ(f₋)) with distances f∓ = f ∓ ½ c δ at the ends of the interval (eq. 13).

    Args:
        sdf: f at the middle of each interval.
        cosine: c, not positive.
        lengths: δ.
        inverse_std: s.
    """
    half = 0.5 * cosine * lengths
    near, far = ((sdf - half) * inverse_std).sigmoid(), ((sdf + half) * inverse_std).sigmoid()
    return ((near - far + 1e-5) / (near + 1e-5)).clamp(0, 1)


def transmittance_between(
    sdf: Float[Tensor, " samples"], samples: Samples, inverse_std: Float[Tensor, ""]
) -> Float[Tensor, " samples"]:
    """Return T at the middle of each sample from distances alone: the product of min(1, Φ(f_j+1) / Φ(f_j)) before it.

    It needs no gradients of the field, so that samples behind the surface can be dropped before these are computed.
    """
    ray_indices, log_phi = samples.ray_indices, F.logsigmoid(sdf * inverse_std)
    # each sample's successor; the last one is compared with itself and loses nothing
    next_ray, next_log_phi = (torch.cat([x[1:], x[-1:]]) for x in (ray_indices, log_phi))
    drop = torch.where(ray_indices == next_ray, (log_phi - next_log_phi).relu(), 0)
    return transmittance(drop, ray_indices, samples.n_rays)


class NeusRenderer(ViewRenderer):
    """Renders a signed distance field through an occupancy grid.

    In training the lattice of each ray is shifted at random (stratified); in evaluation it is not.

    Attributes:
        annealing: r of `annealed_cosine`; a fit raises it from 0 to 1.
    """

    def __init__(
        self,
        field: SignedDistanceField,
        occupancy_resolution: int = 32,
        n_samples_per_ray: int = 512,
        alpha_threshold: float = 1e-3,
        early_stop: float = 1e-4,
        chunk_size: int = 16384,
    ) -> None:
        """Attach an empty occupancy grid to a field.

        Args:
            field: The field to render.
            occupancy_resolution: Cells per side of the occupancy grid.
            n_samples_per_ray: Samples on a diagonal of the field's cube; fixes the step size.
            alpha_threshold: Samples less opaque than this even to a head-on ray are dropped.
            early_stop: Samples behind a transmittance below this are dropped.
            chunk_size: Rays rendered at once without gradients.
        """
        super().__init__(field.radius, occupancy_resolution, n_samples_per_ray, chunk_size)
        self.field = field
        self.alpha_threshold = alpha_threshold
        self.early_stop = early_stop
        self.annealing = 1.0

    def update_occupancy(self, step: int, generator: torch.Generator | None = None) -> bool:
        """Refresh the occupancy grid from the field on its schedule; call it at the start of every training step.

        Args:
            step: Optimisation step, from 0.
            generator: Source of randomness.

        Returns:
            Whether the grid was refreshed.
        """
        with phase("occupancy update"):
            return self.occupancy.update_every_n_steps(
                step,
                lambda points: self._head_on_alpha(self.field.sdf(points)),
                threshold=OCCUPANCY_THRESHOLD,
                generator=generator,
            )

    def render(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        background: Float[Tensor, "*rays 3"],
        generator: torch.Generator | None = None,
    ) -> SurfaceOutput:
        """Render rays.

        Args:
            origins: Ray origins, world units.
            directions: Unit ray directions.
            background: Colour behind the field, one for all rays or one per ray.
            generator: Source of the stratified shifts.

        Returns:
            Colours, opacities, depths and normals, differentiable by the field's parameters.
        """
        samples, features = self.sample(origins, directions, generator)
        ray_indices, along = samples.ray_indices, directions[samples.ray_indices]
        with phase("field query"):
            sdf, gradients, rgb = self.field.query(samples.points(origins, directions), along, features)
        with phase("compositing"):
            normals = F.normalize(gradients, dim=-1)
            cosine = annealed_cosine((along * normals).sum(-1), self.annealing)
            alpha = neus_alpha(sdf, cosine, samples.lengths, self.field.inverse_std)
            weights = weights_from_alpha(alpha, ray_indices, samples.n_rays)
            seen = composite(samples, weights, rgb, background)
            return SurfaceOutput(
                **vars(seen), normals=accumulate(weights, normals, ray_indices, samples.n_rays), gradients=gradients
            )

    @torch.no_grad()
    def sample(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        generator: torch.Generator | None = None,
    ) -> tuple[Samples, Float[Tensor, "samples features"]]:
        """Return visible, non-transparent samples of rays in occupied space, and their features."""
        with phase("march"):
            samples = march(
                origins, directions, self.occupancy, self.step_size, stratified=self.training, generator=generator
            )
        with phase("cull"):
            points = samples.points(origins, directions)
            features = self.field.encode(points)
            sdf = self.field.sdf(points, features)
            visible = transmittance_between(sdf, samples, self.field.inverse_std) >= self.early_stop
            visible &= self._head_on_alpha(sdf) >= self.alpha_threshold
            # once for both: the number of samples needs a synchronisation of the GPU
            kept = visible.nonzero()[:, 0]
            return samples.at(kept), features[kept]

    def _head_on_alpha(self, sdf: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return α of a step for a head-on ray, the largest over all rays."""
        lengths = torch.full_like(sdf, self.step_size)
        return neus_alpha(sdf, torch.full_like(sdf, -1), lengths, self.field.inverse_std)
