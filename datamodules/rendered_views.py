"""The field's renders to refine, and their cameras."""

from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.posed_views import ViewCamera, load_cameras, load_views
from datamodules.prompts import Prompts
from datamodules.runs.run_folder import InputMeta, RunFolder
from viewdistill.errors import ViewDistillError

GOLDEN_RATIO = 0.618034
"""Any number of its multiples, modulo 1, fills [0, 1] evenly."""


class RenderBatch(NamedTuple):
    """Renders to refine."""

    indices: Int[Tensor, " views"]
    """Indices of the cameras; they seed the noise."""
    images: Float[Tensor, "views 3 height width"]
    """Renders over white."""
    opacity: Float[Tensor, "views height width"]
    """Their opacity."""


class FieldRenders(pl.LightningDataModule):
    """Renders of the field from the input camera and around the object.

    The cameras are defined here; the renders are read from ``views/renders``, written by the ``views`` command.

    Args:
        run_folder: Folder of one object, ``runs/<object>``.
        count: Cameras around the object, at equal steps of azimuth.
        elevation_range: Their lowest and highest elevation, degrees; spread between them.
        angles: Pairs of azimuth and elevation, degrees, instead of those two.
        cameras_from: A folder with a ``cameras.json`` whose cameras replace all of these.
        image_size: Side of the refined views, pixels; best the prior's own.
        views_per_batch: Views refined together.
    """

    def __init__(
        self,
        run_folder: str,
        count: int = 16,
        elevation_range: tuple[float, float] = (0.0, 30.0),
        angles: list[tuple[float, float]] | None = None,
        cameras_from: str | None = None,
        image_size: int = 64,
        views_per_batch: int = 8,
    ) -> None:
        super().__init__()
        if count < 0 or min(image_size, views_per_batch) < 1:
            raise ViewDistillError("data: count must be at least 0, image_size and views_per_batch at least 1")
        low, high = elevation_range
        if not -90 <= low <= high <= 90 or any(abs(elevation) > 90 for _, elevation in angles or []):
            raise ViewDistillError("data: elevation_range is wrong; give two angles in order, from -90 to 90 degrees")
        self.run_folder = RunFolder(Path(run_folder))
        self.count = count
        self.elevation_range = elevation_range
        self.angles = angles
        self.cameras_from = cameras_from
        self.image_size = image_size
        self.views_per_batch = views_per_batch

    def cameras(self) -> list[ViewCamera]:
        """Return the input camera and those around the object at its distance and field of view, or ``cameras_from``.

        Raises:
            ViewDistillError: The input stage is not complete, or the list of cameras is damaged.
        """
        if self.cameras_from is not None:
            return [camera for _, camera in load_cameras(Path(self.cameras_from))]
        known = ViewCamera.of_input(InputMeta.load(self.run_folder.input_meta))
        angles = ring(self.count, self.elevation_range) if self.angles is None else self.angles
        return [known, *(ViewCamera(a, e, known.distance, known.fovy_deg) for a, e in angles)]

    def setup(self, stage: str) -> None:
        """Read the renders and the prompts.

        Raises:
            ViewDistillError: An earlier stage is not complete, or one of its files is damaged.
        """
        self.prompts = Prompts.load(self.run_folder.prompts("specialize_2"))
        self.views = load_views(self.run_folder.raw_views)

    def predict_dataloader(self) -> DataLoader[RenderBatch]:
        """Return all renders in order."""
        indices = torch.arange(len(self.views.cameras))
        parts = (indices, self.views.over_white, self.views.rgba[:, 3])
        batches = [
            RenderBatch(*rows) for rows in zip(*(part.split(self.views_per_batch) for part in parts), strict=True)
        ]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


def ring(count: int, elevation_range: tuple[float, float]) -> list[tuple[float, float]]:
    """Return azimuths at equal steps, half a step off the input view's, with elevations spread evenly; degrees."""
    low, high = elevation_range
    spread = [(index * GOLDEN_RATIO) % 1 for index in range(count)]
    return [((index + 0.5) * 360 / count, low + (high - low) * u) for index, u in enumerate(spread)]
