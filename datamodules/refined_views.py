"""Pixels of posed views for the surface stage: random rays over all views, with a weight per view.

Training batch ``i`` is a function of (seed, step i) alone, and the stream starts at the trainer's step.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.cameras import CameraBatch, CameraSampler, InputView, StepStream, place_of
from datamodules.posed_views import PosedViews, load_views
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.seeding import Purpose, generator_at
from viewdistill.cameras import rays
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import straight_color


class RayBatch(NamedTuple):
    """Rays and their target colours."""

    origins: Float[Tensor, "rays 3"]
    """Origins, world units."""
    directions: Float[Tensor, "rays 3"]
    """Unit directions away from the camera."""
    rgb: Float[Tensor, "rays 3"]
    """Straight colour in [0, 1]; undefined where alpha is 0."""
    alpha: Float[Tensor, " rays"]
    """Coverage in [0, 1]."""
    weights: Float[Tensor, " rays"]
    """Weight in the loss; the mean over all pixels of all views is 1."""

    def over(self, background: Float[Tensor, "3"]) -> Float[Tensor, "rays 3"]:
        """Composite the colour over a background."""
        return self.rgb * self.alpha[:, None] + background * (1 - self.alpha[:, None])

    def select(self, rows: Tensor) -> "RayBatch":
        """Return the rays at given indices."""
        return RayBatch(*(part[rows] for part in self))


class SurfaceBatch(NamedTuple):
    """Rays of one training step."""

    views: RayBatch
    """Rays of the posed views."""
    input: RayBatch
    """Of the input view and of further references."""


@dataclass(frozen=True)
class ViewWeights:
    """Weights of the views."""

    opposite: float = 1.0
    """Weight of a view from the side opposite to the input view, which has 1; linear in the cosine between them. Below
    1, views near the input view, of which its image says more, count for more; of several references, the nearest
    decides."""
    opacity_power: float = 0.0
    """Power of a view's certainty, a factor on its weight: the mean of |2α - 1| over the pixels with α > 0, which is
    1 for a binary mask and small for a foggy field."""

    def __post_init__(self) -> None:
        """Reject negative weights.

        Raises:
            ViewDistillError: A weight is negative.
        """
        if min(self.opposite, self.opacity_power) < 0:
            raise ViewDistillError("data.weights: opposite and opacity_power must not be negative")

    def of(self, views: PosedViews, input_c2w: Float[Tensor, "references 4 4"]) -> Float[Tensor, " views"]:
        """Weights of views, with mean 1.

        Args:
            views: The views.
            input_c2w: Camera-to-world matrices of the input view and of further references.
        """
        # the camera's own z axis points from what it looks at to its centre
        cosine = torch.stack([views.c2w[:, :3, 2] @ c2w[:3, 2] for c2w in input_c2w]).amax(0)
        weights = self.opposite + (1 - self.opposite) * (1 + cosine) / 2
        alpha = views.rgba[:, 3].flatten(1)
        certainty = ((2 * alpha - 1).abs() * (alpha > 0)).sum(1) / (alpha > 0).sum(1).clamp_min(1)
        weights = weights * certainty**self.opacity_power
        return weights / weights.mean().clamp_min(1e-6)


class RefinedViewRays(pl.LightningDataModule):
    """Rays of the refined views and of the user's own pictures for training; a ring of cameras for pictures.

    Args:
        run_folder: Folder of one object, ``runs/<object>``; its ``input`` and ``views`` stages are read.
        source: The refined views, or the field's renders that they were made from (the ablation without refinement).
        rays_per_step: Random rays of the views a step.
        input_rays: Random rays of the input view and of further references a step.
        input_size: Side of the input image that these rays are of, pixels; its own when not given.
        weights: How much each view counts.
        ring_views: Cameras of the ring that validation renders.
        ring_elevation: Elevation of that ring, degrees.
        seed: Seed of the choice of rays.
    """

    def __init__(
        self,
        run_folder: str,
        source: Literal["refined", "raw"] = "refined",
        rays_per_step: int = 1024,
        input_rays: int = 256,
        input_size: int | None = 128,
        weights: ViewWeights | None = None,
        ring_views: int = 8,
        ring_elevation: float = 15.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if min(rays_per_step, input_rays, 1 if input_size is None else input_size) < 1:
            raise ViewDistillError("data: rays_per_step, input_rays and input_size must be at least 1")
        self.run_folder = RunFolder(Path(run_folder))
        self.source = source
        self.rays_per_step = rays_per_step
        self.input_rays = input_rays
        self.input_size = input_size
        self.view_weights = weights or ViewWeights()
        self.seed = seed
        self.cameras = CameraSampler(run_folder, ring_views=ring_views, ring_elevation=ring_elevation)

    def setup(self, stage: str) -> None:
        """Read the views and the input image, and the rays through their pixels.

        Raises:
            ViewDistillError: An earlier stage is missing, or one of its files is damaged.
        """
        self.cameras.setup(stage)
        folder = self.run_folder.refined_views if self.source == "refined" else self.run_folder.raw_views
        views = load_views(folder)
        known = torch.cat([view.cameras.c2w for view in self.input_views])
        self.views = pixel_rays(views, self.view_weights.of(views, known))
        self.input = joined([self.own_rays(view) for view in self.input_views])

    def own_rays(self, view: InputView) -> RayBatch:
        """The rays through all pixels of a picture of the user's."""
        rgb, mask = (image[0] for image in view.resized(self.input_size or view.side))
        # what was resized over white is made straight again, so that it can be put over any background
        straight = straight_color(rgb, mask)
        return view_rays(view.cameras.c2w, view.cameras.fovy, torch.cat([straight, mask]), 1.0)

    @property
    def input_view(self) -> InputView:
        """The input image with its camera."""
        return self.cameras.input_view

    @property
    def input_views(self) -> tuple[InputView, ...]:
        """The input image, then the further references."""
        return self.cameras.input_views

    @property
    def meta(self) -> InputMeta:
        """Description of the input."""
        return self.cameras.meta

    def batch(self, step: int, rank: int = 0, processes: int = 1) -> SurfaceBatch:
        """Draw the rays of one training step, or one process's share of them."""
        generator = generator_at(self.seed, step, Purpose.EXAMPLES)
        counts = ((self.views, self.rays_per_step), (self.input, self.input_rays))
        chosen = [(rays, torch.randint(len(rays.alpha), (count,), generator=generator)) for rays, count in counts]
        return SurfaceBatch(*(rays.select(rows[rank::processes]) for rays, rows in chosen))

    def own_batch(self, step: int) -> SurfaceBatch:
        """Return this process's share of one training step's rays."""
        return self.batch(step, *place_of(self))

    def train_dataloader(self) -> DataLoader[SurfaceBatch]:
        """Return the infinite stream of batches from the trainer's step on."""
        return DataLoader(StepStream(self.own_batch, self.trainer.global_step if self.trainer else 0), batch_size=None)

    def val_dataloader(self) -> DataLoader[CameraBatch]:
        """Return a single batch: the ring."""
        return self.cameras.val_dataloader()


def pixel_rays(views: PosedViews, weights: Float[Tensor, " views"]) -> RayBatch:
    """Return the rays through all pixels of all views.

    Args:
        views: Views with their cameras.
        weights: One per view.
    """
    parts = [
        view_rays(camera.c2w[None], camera.fovy_deg, rgba, float(weight))
        for camera, rgba, weight in zip(views.cameras, views.rgba, weights, strict=True)
    ]
    return joined(parts)


def joined(parts: list[RayBatch]) -> RayBatch:
    """All rays of several batches."""
    return RayBatch(*(torch.cat(part) for part in zip(*parts, strict=True)))


def view_rays(
    c2w: Float[Tensor, "1 4 4"], fovy: float, rgba: Float[Tensor, "4 height width"], weight: float
) -> RayBatch:
    """Return the rays through all pixels of one view.

    Args:
        c2w: Its camera-to-world matrix.
        fovy: Its vertical field of view, degrees.
        rgba: Straight colour and alpha in [0, 1].
        weight: Weight of each of its pixels.
    """
    origins, directions = (part.reshape(-1, 3) for part in rays(c2w, fovy, *rgba.shape[1:]))
    pixels = rgba.flatten(1).T
    return RayBatch(origins, directions, pixels[:, :3], pixels[:, 3], torch.full((len(pixels),), weight))
