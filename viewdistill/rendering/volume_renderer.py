"""Volume rendering of a density field: march, cull, query, composite."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.cameras import rays
from viewdistill.phases import phase
from viewdistill.rendering.compositing import accumulate, visibility, weights_from_density
from viewdistill.rendering.marching import Samples, march, step_size
from viewdistill.rendering.occupancy import OccupancyGrid


@runtime_checkable
class RenderableField(Protocol):
    """Interface of a renderable field, such as `viewdistill.fields.DensityField`."""

    radius: float
    """Half the side of the cube around the origin that holds the field, world units."""

    def encode(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n features"]:
        """Return features of world positions, which the other two methods can reuse."""
        ...

    def density(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, " n"]:
        """Return density of world positions, per world unit."""
        ...

    def query(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Return density and colour in [0, 1] of world positions."""
        ...


@dataclass(frozen=True)
class RenderOutput:
    """Render along rays."""

    rgb: Float[Tensor, "rays 3"]
    """Colour over the background, in [0, 1]."""
    opacity: Float[Tensor, " rays"]
    """Sum of the weights, in [0, 1]."""
    depth: Float[Tensor, " rays"]
    """Weighted sum of the samples' distances, not divided by the opacity; world units."""
    z_variance: Float[Tensor, " rays"]
    """Variance of the samples' distances under weights / max(opacity, 1e-5); zero where opacity <= 0.5."""
    weights: Float[Tensor, " samples"]
    """Compositing weight of each sample."""
    samples: Samples
    """The composited samples."""

    @property
    def n_samples(self) -> int:
        """Number of composited samples."""
        return len(self.samples)


@dataclass(frozen=True)
class RenderedViews:
    """Whole images."""

    rgb: Float[Tensor, "batch 3 height width"]
    """Colour over the background, in [0, 1]."""
    opacity: Float[Tensor, "batch 1 height width"]
    """Opacity in [0, 1]."""
    depth: Float[Tensor, "batch 1 height width"]
    """Weighted sum of distances along the rays, world units."""
    z_variance: Float[Tensor, "batch 1 height width"]
    """Variance of distances along the rays, world units squared."""
    samples_per_ray: float
    """Mean number of composited samples per ray."""


class ViewRenderer(nn.Module):
    """Whole images from rays; subclasses render the rays."""

    def __init__(self, radius: float, occupancy_resolution: int, n_samples_per_ray: int, chunk_size: int) -> None:
        """Allocate an empty occupancy grid.

        Args:
            radius: Half the side of the field's cube, world units.
            occupancy_resolution: Cells per side of the occupancy grid.
            n_samples_per_ray: Samples on a diagonal of the field's cube; fixes the step size.
            chunk_size: Rays rendered at once without gradients.
        """
        super().__init__()
        self.occupancy = OccupancyGrid(radius, occupancy_resolution)
        self.step_size = step_size(radius, n_samples_per_ray)
        self.chunk_size = chunk_size

    def render(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        background: Float[Tensor, "*rays 3"],
        generator: torch.Generator | None = None,
    ) -> RenderOutput:
        """Render rays; see the subclasses."""
        raise NotImplementedError

    def render_views(
        self,
        c2w: Float[Tensor, "batch 4 4"],
        fovy: float,
        height: int,
        width: int,
        background: Float[Tensor, "3"],
        generator: torch.Generator | None = None,
    ) -> RenderedViews:
        """Render whole images.

        Args:
            c2w: Camera-to-world matrices.
            fovy: Vertical field of view, degrees.
            height: Image height, pixels.
            width: Image width, pixels.
            background: Colour behind the field.
            generator: Source of the stratified shifts.
        """
        origins, directions = (r.reshape(-1, 3) for r in rays(c2w, fovy, height, width))
        size = len(origins) if torch.is_grad_enabled() else self.chunk_size
        outputs = [
            self.render(o, d, background, generator)
            for o, d in zip(origins.split(size), directions.split(size), strict=True)
        ]
        shape = (len(c2w), height, width, -1)
        images = {
            name: torch.cat([getattr(output, name) for output in outputs]).reshape(shape).movedim(-1, 1)
            for name in ("rgb", "opacity", "depth", "z_variance")
        }
        return RenderedViews(**images, samples_per_ray=sum(o.n_samples for o in outputs) / len(origins))


class VolumeRenderer(ViewRenderer):
    """Renders a field through an occupancy grid.

    In training the lattice of each ray is shifted at random (stratified); in evaluation it is not. Images are rendered
    in chunks of rays if gradients are disabled.
    """

    def __init__(
        self,
        field: RenderableField,
        occupancy_resolution: int = 32,
        n_samples_per_ray: int = 512,
        alpha_threshold: float = 0.01,
        early_stop: float = 1e-4,
        chunk_size: int = 16384,
    ) -> None:
        """Attach an empty occupancy grid to a field.

        Args:
            field: The field to render.
            occupancy_resolution: Cells per side of the occupancy grid.
            n_samples_per_ray: Samples on a diagonal of the field's cube; fixes the step size.
            alpha_threshold: Samples less opaque than this (or than the mean occupancy, if smaller) are dropped.
            early_stop: Samples behind a transmittance below this are dropped.
            chunk_size: Rays rendered at once without gradients.
        """
        super().__init__(field.radius, occupancy_resolution, n_samples_per_ray, chunk_size)
        self.field = field
        self.alpha_threshold = alpha_threshold
        self.early_stop = early_stop

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
                step, lambda points: self.field.density(points) * self.step_size, generator=generator
            )

    def render(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        background: Float[Tensor, "*rays 3"],
        generator: torch.Generator | None = None,
    ) -> RenderOutput:
        """Render rays.

        Args:
            origins: Ray origins, world units.
            directions: Unit ray directions.
            background: Colour behind the field, one for all rays or one per ray.
            generator: Source of the stratified shifts.

        Returns:
            Colours, opacities and depths, differentiable by the field's parameters even where no ray meets the field.
        """
        samples, features = self.sample(origins, directions, generator)
        with phase("field query"):
            density, rgb = self.field.query(samples.points(origins, directions), features)
        with phase("compositing"):
            weights = weights_from_density(density, samples.lengths, samples.ray_indices, samples.n_rays)
            return composite(samples, weights, rgb, background)

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
            threshold = min(self.alpha_threshold, self.occupancy.mean_occupancy())
            points = samples.points(origins, directions)
            features = self.field.encode(points)
            density = self.field.density(points, features)
            visible = visibility(
                density, samples.lengths, samples.ray_indices, samples.n_rays, threshold, self.early_stop
            )
            # once for both: the number of samples needs a synchronisation of the GPU
            kept = visible.nonzero()[:, 0]
            return samples.at(kept), features[kept]


def composite(
    samples: Samples,
    weights: Float[Tensor, " samples"],
    rgb: Float[Tensor, "samples 3"],
    background: Float[Tensor, "*rays 3"],
) -> RenderOutput:
    """Composite weighted samples along rays.

    Args:
        samples: Samples along the rays.
        weights: Compositing weight of each.
        rgb: Colour of each, in [0, 1].
        background: Colour behind the field, one for all rays or one per ray.
    """
    ray_indices, n_rays, t = samples.ray_indices, samples.n_rays, samples.t_mid
    values = torch.cat([rgb, torch.ones_like(t)[:, None], t[:, None]], -1)
    color, opacity, depth = accumulate(weights, values, ray_indices, n_rays).split([3, 1, 1], -1)
    total = opacity.clamp_min(1e-5)
    deviation = t[:, None] - (depth / total)[ray_indices]
    variance = accumulate(weights, deviation**2, ray_indices, n_rays) / total
    return RenderOutput(
        rgb=color + background * (1 - opacity),
        opacity=opacity[:, 0],
        depth=depth[:, 0],
        z_variance=torch.where(opacity > 0.5, variance, 0)[:, 0],
        weights=weights,
        samples=samples,
    )
