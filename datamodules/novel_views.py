"""Cameras of the novel views, and requests for missing ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datamodules.posed_views import ViewCamera, load_references, read_rgba, view_name
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.sampled_images import SampledImages
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import over_white
from viewdistill.references import FurtherReference


class NovelViewBatch(NamedTuple):
    """Views to sample."""

    indices: Int[Tensor, " views"]
    """Indices of the cameras; they seed the noise."""
    relative_pose: Float[Tensor, "views 4"]
    """T of each view, seen from the input camera."""
    image: Float[Tensor, "1 3 height width"]
    """The input over white, in [0, 1]."""
    elevation: float
    """Of the input camera, degrees."""
    further: tuple[FurtherReference, ...] = ()
    """Pictures of the object beside the input."""


class NovelViewCameras(SampledImages):
    """Cameras around the object at the distance and field of view of the input camera.

    Args:
        run_folder: Folder of one object, ``runs/<object>``.
        count: Number of views, at equal steps of azimuth; the input view takes one more step.
        elevation: Elevation of all views, degrees; the input view's own when null.
        images_per_batch: Views sampled together.
    """

    def __init__(self, run_folder: str, count: int, elevation: float | None, images_per_batch: int) -> None:
        super().__init__(count, images_per_batch)
        if elevation is not None and not abs(elevation) <= 90:
            raise ViewDistillError(f"data: elevation is {elevation:g}; give -90 to 90 degrees")
        self.run_folder = RunFolder(Path(run_folder))
        self.elevation = elevation

    @property
    def folder(self) -> Path:
        """Folder of posed views."""
        return self.run_folder.novel_views

    @property
    def paths(self) -> Sequence[Path]:
        """Files of all views."""
        return [self.folder / view_name(index) for index in range(self.count)]

    @property
    def cameras(self) -> list[ViewCamera]:
        """Cameras of all views; known from `setup` on."""
        known = self.known
        elevation = known.elevation_deg if self.elevation is None else self.elevation
        step = 360 / (self.count + 1)
        azimuths = [known.azimuth_deg + index * step for index in range(1, self.count + 1)]
        return [ViewCamera(azimuth, elevation, known.distance, known.fovy_deg) for azimuth in azimuths]

    def setup(self, stage: str) -> None:
        """Read the input image, the further references, and their cameras.

        Raises:
            ViewDistillError: The input stage is not complete, or one of its files is damaged.
        """
        super().setup(stage)
        self.image = over_white(read_rgba(self.run_folder.rgba)[None])
        self.known = ViewCamera.of_input(InputMeta.load(self.run_folder.input_meta))
        self.further = tuple(
            FurtherReference(over_white(read_rgba(path)[None]), camera.azimuth_deg, camera.elevation_deg)
            for path, camera in load_references(self.run_folder)
        )

    def batch(self, indices: list[int]) -> NovelViewBatch:
        """Return the request for some of the views."""
        cameras = self.cameras
        poses = torch.stack([cameras[index].pose_from(self.known) for index in indices])
        return NovelViewBatch(torch.tensor(indices), poses, self.image, self.known.elevation_deg, self.further)
