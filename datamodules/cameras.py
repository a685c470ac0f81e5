"""Cameras for the field stage: batches of novel views, rings of them for pictures, and the input view itself.

Angles are in degrees, distances in world units; azimuth 0 is the input view's side.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from datamodules.posed_views import ViewCamera, load_references, read_rgba
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.seeding import Purpose, generator_at
from viewdistill.cameras import look_at, relative_pose
from viewdistill.errors import ViewDistillError
from viewdistill.phases import phase
from viewdistill.pictures import resize_rgba
from viewdistill.references import FurtherReference

Batch = TypeVar("Batch")

ElevationSampling = Literal["area", "official"]
"""Distribution of elevations: uniform in area on the sphere, or as in the official code: half of them uniform in
degrees, half by a sine with narrower bounds than requested (-6.4 to 30 for -10 to 45 degrees)."""


class CameraBatch(NamedTuple):
    """Cameras that look at the origin."""

    c2w: Float[Tensor, "batch 4 4"]
    """Camera-to-world matrices."""
    relative_pose: Float[Tensor, "batch 4"]
    """T of Zero-1-to-3, seen from the input camera."""
    azimuth: Float[Tensor, " batch"]
    """Degrees."""
    elevation: Float[Tensor, " batch"]
    """Degrees."""
    fovy: float
    """Vertical field of view of all of them, degrees."""


@dataclass(frozen=True)
class InputView:
    """A picture that the user gave of the object, with its camera."""

    rgb: Float[Tensor, "3 height width"]
    """Straight colour in [0, 1]."""
    alpha: Float[Tensor, "1 height width"]
    """Coverage in [0, 1]."""
    cameras: CameraBatch
    """Its one camera; for the input image itself the relative pose is that of no motion."""

    @property
    def side(self) -> int:
        """Side of the framed image, pixels."""
        return self.rgb.shape[-1]

    @property
    def further(self) -> FurtherReference:
        """The picture as a prior looks at it beside the input image, which has azimuth 0."""
        return FurtherReference(self.resized(self.side)[0], float(self.cameras.azimuth), float(self.cameras.elevation))

    def resized(self, size: int) -> tuple[Float[Tensor, "1 3 size size"], Float[Tensor, "1 1 size size"]]:
        """Return the image over white and its mask, both antialiased, at ``size`` pixels per side."""
        return resize_rgba(torch.cat([self.rgb, self.alpha])[None], size)


class CameraSampler(pl.LightningDataModule):
    """Random cameras for training, a ring of cameras for validation.

    Training batch ``i`` is a function of (seed, step i) alone, and the stream starts at the trainer's step. Several
    processes that share a fit divide every batch among them.

    Args:
        run_folder: Folder of one object, ``runs/<object>``; its ``input`` stage is read.
        views_per_step: Novel views per training batch, over all processes.
        elevation_range: Lowest and highest elevation, degrees.
        elevation_sampling: Distribution of elevations in it.
        azimuth_range: Width of the range of azimuths around the input view, degrees; 360 for all around.
        distance_range: Nearest and farthest camera, world units; the input camera's own distance when not given.
        fovy: Vertical field of view, degrees; the input camera's own when not given.
        stratified: Stratify the azimuths of a batch: one in each of ``views_per_step`` equal sectors, randomly rotated.
        ring_views: Cameras in the validation ring.
        ring_elevation: Elevation of that ring, degrees.
        seed: Seed of the training cameras.
    """

    def __init__(
        self,
        run_folder: str,
        views_per_step: int = 2,
        elevation_range: tuple[float, float] = (-10.0, 60.0),
        elevation_sampling: ElevationSampling = "area",
        azimuth_range: float = 360.0,
        distance_range: tuple[float, float] | None = None,
        fovy: float | None = None,
        stratified: bool = True,
        ring_views: int = 8,
        ring_elevation: float = 15.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_ranges(elevation_range, azimuth_range, distance_range)
        if min(views_per_step, ring_views) < 1:
            raise ViewDistillError("data.views_per_step and data.ring_views must be at least 1")
        self.run_folder = RunFolder(Path(run_folder))
        self.views_per_step = views_per_step
        self.elevation_range = elevation_range
        self.elevation_sampling: ElevationSampling = elevation_sampling
        self.azimuth_range = azimuth_range
        self.distance_range = distance_range
        self.fovy = fovy
        self.stratified = stratified
        self.ring_views = ring_views
        self.ring_elevation = ring_elevation
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Read the input image, the further references, and their cameras.

        Raises:
            ViewDistillError: The input stage is missing, or one of its files is damaged.
        """
        self.meta = InputMeta.load(self.run_folder.input_meta)
        self.input_view = self.view(self.run_folder.rgba, ViewCamera.of_input(self.meta))
        self.references = tuple(self.view(*listed) for listed in load_references(self.run_folder))

    @property
    def input_views(self) -> tuple[InputView, ...]:
        """The input image, then the further references."""
        return (self.input_view, *self.references)

    def view(self, path: Path, camera: ViewCamera) -> InputView:
        """Read a picture of the user's.

        Raises:
            ViewDistillError: It is missing or damaged.
        """
        rgba = read_rgba(path)
        azimuth, elevation, distance = torch.tensor([[camera.azimuth_deg], [camera.elevation_deg], [camera.distance]])
        return InputView(rgba[:3], rgba[3:], self.cameras(azimuth, elevation, distance, camera.fovy_deg))

    def cameras(
        self,
        azimuth: Float[Tensor, " batch"],
        elevation: Float[Tensor, " batch"],
        distance: Float[Tensor, " batch"],
        fovy: float,
    ) -> CameraBatch:
        """Return cameras with their poses relative to the input camera."""
        pose = relative_pose(
            torch.full_like(azimuth, self.meta.azimuth_deg),
            torch.full_like(azimuth, self.meta.elevation_deg),
            torch.full_like(azimuth, self.meta.distance),
            azimuth,
            elevation,
            distance,
        )
        return CameraBatch(look_at(azimuth, elevation, distance), pose, azimuth, elevation, fovy)

    def batch(self, step: int) -> CameraBatch:
        """Return the novel cameras of one training step."""
        count = self.views_per_step
        u = torch.rand(3, count, generator=generator_at(self.seed, step, Purpose.CAMERAS))
        if self.stratified:
            turn = torch.rand(1, generator=generator_at(self.seed, step, Purpose.TURN))
            u[0] = ((torch.arange(count) + u[0]) / count + turn) % 1
        azimuth = self.meta.azimuth_deg + (u[0] - 0.5) * self.azimuth_range
        elevation = self.elevations(u[1], step)
        near, far = self.distance_range or (self.meta.distance, self.meta.distance)
        return self.cameras(azimuth, elevation, near + u[2] * (far - near), self.fovy or self.meta.fovy_deg)

    def elevations(self, u: Float[Tensor, " batch"], step: int) -> Float[Tensor, " batch"]:
        """Map uniform numbers in [0, 1) to elevations, degrees."""
        if self.elevation_sampling == "area":
            low, high = np.sin(np.deg2rad(self.elevation_range))
            return torch.rad2deg(torch.asin(low + u * (high - low)))
        low, high = self.elevation_range
        degrees = low + u * (high - low)
        # threestudio's bounds of the sine: exact for the whole sphere, narrower than requested otherwise
        sine = 2 * (degrees + 90) / 180 - 1
        flat = torch.rand(len(u), generator=generator_at(self.seed, step, Purpose.ELEVATIONS)) < 0.5
        return torch.where(flat, degrees, torch.rad2deg(torch.asin(sine)))

    def ring(self, count: int, elevation: float) -> CameraBatch:
        """Return cameras at equal steps of azimuth, the first on the input view's side."""
        azimuth = self.meta.azimuth_deg + torch.arange(count) * (360.0 / count)
        distance = torch.full_like(azimuth, self.meta.distance)
        return self.cameras(azimuth, torch.full_like(azimuth, elevation), distance, self.fovy or self.meta.fovy_deg)

    def own_batch(self, step: int) -> CameraBatch:
        """Return this process's share of one training step's novel cameras."""
        batch, (rank, processes) = self.batch(step), place_of(self)
        return CameraBatch(*(part[rank::processes] for part in batch[:4]), fovy=batch.fovy)

    def train_dataloader(self) -> DataLoader[CameraBatch]:
        """Return the infinite stream of batches from the trainer's step on.

        Raises:
            ViewDistillError: The processes cannot divide a batch evenly.
        """
        start, (_, processes) = self.trainer.global_step if self.trainer else 0, place_of(self)
        if self.views_per_step % processes:
            raise ViewDistillError(
                f"data.views_per_step is {self.views_per_step}; give a multiple of the {processes} processes"
            )
        return DataLoader(StepStream(self.own_batch, start), batch_size=None)

    def val_dataloader(self) -> DataLoader[CameraBatch]:
        """Return a single batch: the ring."""
        return DataLoader([self.ring(self.ring_views, self.ring_elevation)], batch_size=None)  # type: ignore[arg-type]


def place_of(data: pl.LightningDataModule) -> tuple[int, int]:
    """Return this process's rank and the number of processes that share the fit of a data module's trainer."""
    return (data.trainer.global_rank, data.trainer.world_size) if data.trainer else (0, 1)


class StepStream(IterableDataset[Batch]):
    """Training batches as a function of the step, from ``start`` on."""

    def __init__(self, batch: Callable[[int], Batch], start: int) -> None:
        self.batch, self.start = batch, start

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        for step in itertools.count(self.start):
            with phase("sample cameras"):
                batch = self.batch(step)
            yield batch


def check_ranges(
    elevation_range: tuple[float, float], azimuth_range: float, distance_range: tuple[float, float] | None
) -> None:
    """Reject invalid camera ranges.

    Raises:
        ViewDistillError: A range is reversed or out of bounds.
    """
    low, high = elevation_range
    if not -90 <= low <= high <= 90:
        raise ViewDistillError(
            f"elevation_range is [{low:g}, {high:g}]; give two angles in order, from -90 to 90 degrees"
        )
    if not 0 <= azimuth_range <= 360:
        raise ViewDistillError(f"azimuth_range is {azimuth_range:g}; give a width from 0 to 360 degrees")
    if distance_range is not None and not 0 < distance_range[0] <= distance_range[1]:
        raise ViewDistillError(f"distance_range is {list(distance_range)}; give two positive distances in order")
