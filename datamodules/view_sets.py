"""Folders of views of any origin, for scoring: with cameras in a file, or in SyncDreamer's layout.

Three forms are read:

- A folder with ``cameras.json`` as in `datamodules.posed_views`. Files may have any name, may be RGB (with the
background as it is) or RGBA (composited over white), and must be square, all of one size. A view may also name a depth
map; the file gives the scale of its counts:

      {"format": 1, "depth_scale": 0.0001, "depth_offset": 0.0,
       "views": [{"file": "000.png", "depth": "000_depth.png", "azimuth_deg": 0.0, …}, …]}

  Depth is count · scale + offset, in world units along the viewing axis; a count of 0 means no surface.
- A folder of 16 pictures ``000.png`` … ``015.png`` (or ``0.png`` … ``15.png``) without ``cameras.json``: SyncDreamer's
  cameras, at azimuth 22.5° · number, elevation 30°, distance 1.5. Optional files ``000-depth.png`` … ``015-depth.png``
  are 16-bit depth from 0.6 to 2.4, of which 0.63 to 2.37 is valid.
- One picture 16 times as wide as high: the same 16 views side by side, as written by SyncDreamer's sampler.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from datamodules.posed_views import CAMERAS_FILE, ListedViews, ViewCamera
from viewdistill.errors import ViewDistillError
from viewdistill.files import inside, require_regular
from viewdistill.input.decoding import read_image
from viewdistill.input.pixels import to_rgba
from viewdistill.metrics.protocols import RIG_ELEVATION, RIG_VIEWS
from viewdistill.pictures import over_white, to_tensor

Layout = Literal["cameras.json", "SyncDreamer folder", "SyncDreamer strip", "rendered"]

RIG_CAMERAS = tuple(ViewCamera(360.0 / RIG_VIEWS * index, RIG_ELEVATION) for index in range(RIG_VIEWS))
"""SyncDreamer's cameras, see `viewdistill.metrics.protocols.rig`."""

SYNCDREAMER_DEPTH = (0.6, 2.4)
"""Depth of the counts 0 and 65535 in SyncDreamer's maps, world units."""

SYNCDREAMER_VALID = (0.63, 2.37)
"""Valid depth in these maps; the background lies beyond."""


@dataclass(frozen=True)
class ViewSet:
    """Square views of one size over white, with their cameras."""

    rgb: Float[Tensor, "views 3 size size"]
    """In [0, 1]."""
    cameras: tuple[ViewCamera, ...]
    """One per view."""
    names: tuple[str, ...]
    """Name of each view in messages."""
    layout: Layout
    """Form of the views."""
    depth: Float[np.ndarray, "views size size"] | None = None
    """Depth along the viewing axis, world units, 0 for no surface; None without maps."""

    @property
    def c2w(self) -> Float[Tensor, "views 4 4"]:
        """Camera-to-world matrices."""
        return torch.stack([camera.c2w for camera in self.cameras])

    @property
    def fovy(self) -> list[float]:
        """Vertical fields of view, degrees."""
        return [camera.fovy_deg for camera in self.cameras]


def load_view_set(path: Path) -> ViewSet:
    """Read views in one of the forms above.

    Raises:
        ViewDistillError: The path has none of these forms, a file is damaged, or the views are not square and of one
            size.
    """
    if path.is_file():
        return _load_strip(path)
    if (path / CAMERAS_FILE).is_file():
        return _load_posed(path)
    if not path.is_dir():
        raise ViewDistillError(f"{path}: no such folder; give a folder of views")
    for digits in (3, 1):
        files = [path / f"{index:0{digits}d}.png" for index in range(RIG_VIEWS)]
        if all(file.is_file() for file in files):
            depths = [file.with_name(f"{file.stem}-depth.png") for file in files]
            depth = _syncdreamer_depth(depths) if all(file.is_file() for file in depths) else None
            return ViewSet(_pictures(files), RIG_CAMERAS, _names(files), "SyncDreamer folder", depth)
    raise ViewDistillError(
        f"{path}: neither {CAMERAS_FILE} nor SyncDreamer's {RIG_VIEWS} pictures, 000.png to {RIG_VIEWS - 1:03d}.png, "
        f"are here; write {CAMERAS_FILE} as datamodules/view_sets.py describes it"
    )


def _load_posed(folder: Path) -> ViewSet:
    listed = ListedViews.load(folder)
    if not listed.views:
        raise ViewDistillError(f"{folder / CAMERAS_FILE}: lists no views; add at least one")
    files = [inside(folder, view.file) for view in listed.views]
    maps = [inside(folder, view.depth) for view in listed.views if view.depth is not None]
    # Maps of a subset of the views would cover only a part of the surface.
    depth = _posed_depth(folder, maps, listed) if len(maps) == len(files) else None
    return ViewSet(_pictures(files), tuple(view.camera for view in listed.views), _names(files), "cameras.json", depth)


def _load_strip(path: Path) -> ViewSet:
    pixels = read_over_white(path)
    height, width = pixels.shape[1:]
    if width != RIG_VIEWS * height:
        raise ViewDistillError(
            f"{path}: {width} x {height} pixels are not {RIG_VIEWS} square views side by side; give a folder of views"
        )
    views = torch.stack(list(pixels.split(height, dim=2)))
    return ViewSet(views, RIG_CAMERAS, tuple(f"{path}#{k}" for k in range(RIG_VIEWS)), "SyncDreamer strip")


def _names(files: list[Path]) -> tuple[str, ...]:
    return tuple(str(file) for file in files)


def _pictures(files: list[Path]) -> Float[Tensor, "views 3 size size"]:
    """Read all pictures over white.

    Raises:
        ViewDistillError: A picture cannot be read, is not square, or differs in size from the first.
    """
    pictures = [read_over_white(file) for file in files]
    for file, picture in zip(files, pictures, strict=True):
        height, width = picture.shape[1:]
        if height != width or height != pictures[0].shape[1]:
            raise ViewDistillError(f"{file}: {width} x {height} pixels; views must be square and all of one size")
    return torch.stack(pictures)


def read_over_white(path: Path) -> Float[Tensor, "3 height width"]:
    """Read a user's picture over white, in [0, 1].

    Raises:
        ViewDistillError: The picture cannot be read.
    """
    return over_white(to_tensor(to_rgba(read_image(path)))[None])[0]


def _posed_depth(folder: Path, files: list[Path], listed: ListedViews) -> Float[np.ndarray, "views size size"]:
    if listed.depth_scale is None:
        raise ViewDistillError(f"{folder / CAMERAS_FILE}: views have depth, but depth_scale is missing")
    counts = _counts(files)
    return np.where(counts > 0, counts * listed.depth_scale + listed.depth_offset, 0.0)


def _syncdreamer_depth(files: list[Path]) -> Float[np.ndarray, "views size size"]:
    near, far = SYNCDREAMER_DEPTH
    depth = _counts(files) / 65535 * (far - near) + near
    return np.where((depth > SYNCDREAMER_VALID[0]) & (depth < SYNCDREAMER_VALID[1]), depth, 0.0)


def _counts(files: list[Path]) -> Float[np.ndarray, "views size size"]:
    """Read counts of 16-bit maps.

    Raises:
        ViewDistillError: A map is missing, not a 16-bit grey picture, not square, or differs in size from the first.
    """
    maps: list[Float[np.ndarray, "h w"]] = []
    for file in files:
        require_regular(file, "save it as a 16-bit PNG")
        try:
            with Image.open(file, formats=("PNG", "TIFF")) as image:
                pixels = np.asarray(image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ViewDistillError(f"{file}: not readable as a depth map ({error}); save it as a 16-bit PNG") from error
        if pixels.ndim != 2 or pixels.dtype.itemsize < 2 or len({*pixels.shape, *(m.shape[0] for m in maps)}) != 1:
            raise ViewDistillError(f"{file}: not a square 16-bit grey picture of the other maps' size")
        maps.append(pixels.astype(np.float64))
    return np.stack(maps)
