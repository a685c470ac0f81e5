"""Folders of posed views: the exchange format of images with cameras between stages.

A folder holds ``000.png``, ``001.png``, … (8-bit RGBA, straight alpha; alpha is the object's mask or opacity) and
``cameras.json``, written last, so that its presence means that the folder is complete. ``cameras.json`` is

    {"format": 1,
     "axes": "world z up, camera OpenGL (x right, y up, looking along -z)",
     "views": [{"file": "000.png", "azimuth_deg": 0.0, "elevation_deg": 15.0, "distance": 1.5, "fovy_deg": 49.134,
                "c2w": [[…4 numbers…], …4 rows…]}, …]}

where ``c2w`` is the matrix of the other numbers for a camera that looks at the origin, for readers that need a matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from datamodules.runs.run_folder import InputMeta, RunFolder
from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at, relative_pose
from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.files import inside, write_json
from viewdistill.pictures import over_white, read_picture, straight_color, to_bytes, to_tensor, write_picture
from viewdistill.schema import Range, parse

CAMERAS_FILE = "cameras.json"
"""Name of the list of cameras in a folder of views."""

TRANSFORMS_FILE = "transforms.json"
"""Optional list for other programs, see `datamodules.transforms`."""

FORMAT = 1
"""Version; incremented when the meaning of ``cameras.json`` changes."""

AXES = "world z up, camera OpenGL (x right, y up, looking along -z)"


@dataclass(frozen=True)
class ListedView:
    """An entry of ``cameras.json``."""

    file: str
    """Name of the picture, within the folder."""
    azimuth_deg: Annotated[float, Range()]
    """See `ViewCamera`; likewise the next three."""
    elevation_deg: Annotated[float, Range()]
    distance: Annotated[float, Range(0.0, open_ends=True)]
    fovy_deg: Annotated[float, Range(0.0, 180.0, open_ends=True)]
    depth: str | None = None
    """Name of the depth map, within the folder, see `datamodules.view_sets`."""

    @property
    def camera(self) -> "ViewCamera":
        """Its camera."""
        return ViewCamera(self.azimuth_deg, self.elevation_deg, self.distance, self.fovy_deg)


@dataclass(frozen=True)
class ListedViews:
    """Content of ``cameras.json``; further keys are for other readers."""

    format: Literal[1]
    """`FORMAT`."""
    views: list[ListedView]
    """In order."""
    depth_scale: Annotated[float, Range(0.0, open_ends=True)] | None = None
    """World units per count of the depth maps."""
    depth_offset: Annotated[float, Range()] = 0.0
    """Offset of the depth maps, world units."""

    @classmethod
    def load(cls, folder: Path) -> "ListedViews":
        """Read the list of a complete folder of views.

        Raises:
            ViewDistillError: The folder is not complete, or its ``cameras.json`` is damaged or of another version.
        """
        path, remedy = folder / CAMERAS_FILE, "run the stage that writes it again"
        return parse(cls, read_json(path, remedy), path, remedy, unknown_keys=True)


@dataclass(frozen=True)
class ViewCamera:
    """A camera that looks at the origin."""

    azimuth_deg: float
    """Degrees from +x towards +y; the input view has 0."""
    elevation_deg: float
    """Degrees above the xy-plane."""
    distance: float = DISTANCE
    """World units from the origin."""
    fovy_deg: float = FOVY_ZERO123
    """Vertical field of view, degrees."""

    @property
    def c2w(self) -> Float[Tensor, "4 4"]:
        """Camera-to-world matrix."""
        return look_at(*(torch.tensor(v) for v in (self.azimuth_deg, self.elevation_deg, self.distance)))

    @classmethod
    def of_input(cls, meta: InputMeta) -> "ViewCamera":
        """Return the camera of the input image."""
        return cls(meta.azimuth_deg, meta.elevation_deg, meta.distance, meta.fovy_deg)

    def pose_from(self, other: "ViewCamera") -> Float[Tensor, " 4"]:
        """Return Zero-1-to-3's relative pose T of this camera seen from ``other``."""
        angles = (other.azimuth_deg, other.elevation_deg, other.distance)
        return relative_pose(*(torch.tensor(v) for v in (*angles, self.azimuth_deg, self.elevation_deg, self.distance)))


@dataclass(frozen=True)
class PosedViews:
    """Views of one size with their cameras."""

    rgba: Float[Tensor, "views 4 height width"]
    """Straight colour and alpha in [0, 1]."""
    cameras: tuple[ViewCamera, ...]
    """One per view."""

    @property
    def over_white(self) -> Float[Tensor, "views 3 height width"]:
        """Colour over white."""
        return over_white(self.rgba)

    @property
    def c2w(self) -> Float[Tensor, "views 4 4"]:
        """Camera-to-world matrices."""
        return torch.stack([camera.c2w for camera in self.cameras])


def view_name(index: int) -> str:
    """Return the file name of a view."""
    return f"{index:03d}.png"


def save_view(folder: Path, index: int, rgba: UInt8[np.ndarray, "height width 4"]) -> None:
    """Write one view, atomically; a resumed stage skips existing views."""
    write_picture(folder / view_name(index), rgba)


def save_cameras(folder: Path, cameras: Sequence[ViewCamera]) -> None:
    """Write ``cameras.json``, which completes the folder."""
    views = [
        {
            "file": view_name(index),
            "azimuth_deg": camera.azimuth_deg,
            "elevation_deg": camera.elevation_deg,
            "distance": camera.distance,
            "fovy_deg": camera.fovy_deg,
            "c2w": camera.c2w.tolist(),
        }
        for index, camera in enumerate(cameras)
    ]
    write_json(folder / CAMERAS_FILE, {"format": FORMAT, "axes": AXES, "views": views})


def clear_views(folder: Path) -> None:
    """Remove an earlier run's files from a folder of views, starting with the lists of cameras."""
    for name in (CAMERAS_FILE, TRANSFORMS_FILE):
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("[0-9][0-9][0-9].png"):
        path.unlink()


def load_cameras(folder: Path) -> list[tuple[Path, ViewCamera]]:
    """Read files and cameras of a complete folder of views.

    Raises:
        ViewDistillError: The folder is not complete, or its ``cameras.json`` is damaged or of another version.
    """
    return [(inside(folder, view.file), view.camera) for view in ListedViews.load(folder).views]


def load_references(folder: RunFolder) -> list[tuple[Path, ViewCamera]]:
    """Files and cameras of the pictures that the user gave beside the input image; none where there is one picture.

    Raises:
        ViewDistillError: Their list is damaged or of another version.
    """
    return load_cameras(folder.references) if (folder.references / CAMERAS_FILE).is_file() else []


def load_views(folder: Path) -> PosedViews:
    """Read all views of a complete folder.

    Raises:
        ViewDistillError: The folder is incomplete or empty, one of its files is damaged, or the views differ in size.
    """
    entries = load_cameras(folder)
    images = [read_rgba(path) for path, _ in entries]
    if len({image.shape for image in images}) != 1:
        raise ViewDistillError(f"{folder}: no views, or views of different sizes; run the stage that writes them again")
    return PosedViews(torch.stack(images), tuple(camera for _, camera in entries))


def read_rgba(path: Path) -> Float[Tensor, "4 height width"]:
    """Straight colour and alpha in [0, 1] of an RGBA image.

    Raises:
        ViewDistillError: The file is missing, damaged, or not RGBA.
    """
    remedy = "run `viewdistill input` again"
    image = read_picture(path, None, remedy)
    if image.mode != "RGBA":
        raise ViewDistillError(f"{path}: not an 8-bit RGBA image; {remedy}")
    return to_tensor(np.asarray(image))


def straight_rgba(
    over_white_rgb: Float[Tensor, "*views height width 3"], opacity: Float[Tensor, "*views height width"]
) -> UInt8[np.ndarray, "*views height width 4"]:
    """Convert colours over white to 8-bit straight RGBA."""
    alpha = opacity[..., None].clamp(0, 1)
    rgb = straight_color(over_white_rgb, alpha) * (alpha > 0)
    return to_bytes(torch.cat([rgb, alpha], -1))
