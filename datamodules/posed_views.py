"""Folders of posed views: the one form in which stages hand each other images with cameras.

A folder holds ``000.png``, ``001.png``, … (8-bit RGBA, straight alpha; alpha is the object's mask or opacity) and
``cameras.json``, written last, so that its presence means that the folder is complete. ``cameras.json`` is

    {"format": 1,
     "axes": "world z up, camera OpenGL (x right, y up, looking along -z)",
     "views": [{"file": "000.png", "azimuth_deg": 0.0, "elevation_deg": 15.0, "distance": 1.5, "fovy_deg": 49.134,
                "c2w": [[…4 numbers…], …4 rows…]}, …]}

where ``c2w`` is what the other numbers give for a camera that looks at the origin, for readers that want a matrix.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from datamodules.cameras import read_rgba
from datamodules.run_folder import InputMeta, atomic_path, read_json, write_json
from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at, relative_pose
from viewdistill.errors import ViewDistillError
from viewdistill.metrics.images import over_white

CAMERAS_FILE = "cameras.json"
"""Name of the list of cameras in a folder of views."""

FORMAT = 1
"""Raised when the meaning of ``cameras.json`` changes."""

AXES = "world z up, camera OpenGL (x right, y up, looking along -z)"


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
        """The camera of the input image."""
        return cls(meta.azimuth_deg, meta.elevation_deg, meta.distance, meta.fovy_deg)

    def pose_from(self, other: "ViewCamera") -> Float[Tensor, " 4"]:
        """Zero-1-to-3's relative pose T of this camera seen from ``other``."""
        angles = (other.azimuth_deg, other.elevation_deg, other.distance)
        return relative_pose(*(torch.tensor(v) for v in (*angles, self.azimuth_deg, self.elevation_deg, self.distance)))


@dataclass(frozen=True)
class PosedViews:
    """Views of one size with their cameras."""

    rgba: Float[Tensor, "views 4 height width"]
    """Straight colour and alpha in [0, 1]."""
    cameras: tuple[ViewCamera, ...]
    """One a view."""

    @property
    def over_white(self) -> Float[Tensor, "views 3 height width"]:
        """Colour over white."""
        return over_white(self.rgba)

    @property
    def c2w(self) -> Float[Tensor, "views 4 4"]:
        """Camera-to-world matrices."""
        return torch.stack([camera.c2w for camera in self.cameras])


def view_name(index: int) -> str:
    """File name of a view."""
    return f"{index:03d}.png"


def save_view(folder: Path, index: int, rgba: UInt8[np.ndarray, "height width 4"]) -> None:
    """Write one view, atomically; what is there already need not be made again when a stage resumes."""
    with atomic_path(folder / view_name(index)) as partial:
        Image.fromarray(np.ascontiguousarray(rgba)).save(partial)


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
    """Remove what is left of an earlier run from a folder of views, its list of cameras first."""
    (folder / CAMERAS_FILE).unlink(missing_ok=True)
    for path in folder.glob("[0-9][0-9][0-9].png"):
        path.unlink()


def load_cameras(folder: Path) -> list[tuple[Path, ViewCamera]]:
    """Files and cameras of a complete folder of views.

    Raises:
        ViewDistillError: The folder is not complete, or its ``cameras.json`` is damaged or of another version.
    """
    path = folder / CAMERAS_FILE
    content = read_json(path)
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, expected {FORMAT}")
        return [(folder / str(view["file"]), _camera(view)) for view in content["views"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ViewDistillError(f"{path}: not a list of cameras ({error}); run the stage that writes it again") from None


def load_views(folder: Path) -> PosedViews:
    """All views of a complete folder.

    Raises:
        ViewDistillError: The folder is not complete or empty, a file of it is damaged, or the views differ in size.
    """
    entries = load_cameras(folder)
    images = [read_rgba(path) for path, _ in entries]
    if len({image.shape for image in images}) != 1:
        raise ViewDistillError(f"{folder}: needs views, all of one size; run the stage that writes them again")
    return PosedViews(torch.stack(images), tuple(camera for _, camera in entries))


def straight_rgba(
    over_white_rgb: Float[Tensor, "*views height width 3"], opacity: Float[Tensor, "*views height width"]
) -> UInt8[np.ndarray, "*views height width 4"]:
    """8-bit RGBA of colours over white: what shines through a half-covered pixel is taken away again."""
    alpha = opacity[..., None].clamp(0, 1)
    rgb = ((over_white_rgb - (1 - alpha)) / alpha.clamp_min(1e-3)).clamp(0, 1) * (alpha > 0)
    return (torch.cat([rgb, alpha], -1) * 255 + 0.5).to(torch.uint8).cpu().numpy()


def _camera(view: dict[str, Any]) -> ViewCamera:
    numbers = [float(view[key]) for key in ("azimuth_deg", "elevation_deg", "distance", "fovy_deg")]
    if not all(map(math.isfinite, numbers)) or numbers[2] <= 0 or not 0 < numbers[3] < 180:
        raise ValueError(f"camera {numbers}")
    return ViewCamera(*numbers)
