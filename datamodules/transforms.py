"""``transforms.json``: posed pictures in the format of nerfstudio and instant-ngp.

The written form follows both: ``transform_matrix`` is camera to world in OpenGL's axes (x right, y up, looking along
-z), the world is z up, focal lengths and the principal point are in pixels with the image's corner at 0, ``w`` and
``h`` are the picture's size, ``file_path`` is relative to the file. Intrinsics are at the top if all frames share them,
and in the frames otherwise. ``aabb_scale``, ``scale`` and ``offset`` are instant-ngp's: its unit cube is then the
world's cube of side 2 around the origin.

The reader also accepts ``camera_angle_x`` in radians instead of ``fl_x`` (Blender's and the NeRF-synthetic sets'), file
names without a suffix, and pictures of any size. It rejects distortion: undistort such pictures first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from datamodules.posed_views import TRANSFORMS_FILE, ListedViews
from viewdistill.cameras import focal_length
from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.files import inside, write_json
from viewdistill.schema import Range, parse

DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
"""Names of coefficients of lens distortion."""

Positive = Annotated[float, Range(0.0, open_ends=True)]


@dataclass(frozen=True)
class Lens:
    """Intrinsics in a file, at its top or in a frame."""

    fl_x: Positive | None = None
    """Focal length, pixels."""
    fl_y: Positive | None = None
    """The same along y; as ``fl_x`` when not given."""
    cx: Annotated[float, Range()] | None = None
    """Principal point, pixels from the left; the middle when not given."""
    cy: Annotated[float, Range()] | None = None
    """The same, from the top."""
    w: Positive | None = None
    """Width of the picture for these numbers, pixels; the picture's own when not given."""
    h: Positive | None = None
    """Height of the picture for these numbers, pixels."""
    camera_angle_x: Positive | None = None
    """Horizontal field of view, radians."""


@dataclass(frozen=True, kw_only=True)
class Frame(Lens):
    """An entry of the list."""

    file_path: str
    """Path of the picture, relative to the file."""
    transform_matrix: list[list[Annotated[float, Range()]]]
    """Camera to world, 4 rows of 4."""


@dataclass(frozen=True, kw_only=True)
class Transforms(Lens):
    """Content of the file, restricted to the entries used here."""

    frames: list[Frame]
    """Frames, in order."""


@dataclass(frozen=True)
class PosedPicture:
    """A picture file with its camera."""

    path: Path
    """The file."""
    c2w: Float[np.ndarray, "4 4"]
    """Camera-to-world matrix, OpenGL axes."""
    intrinsics: Float[np.ndarray, "3 3"]
    """Focal lengths and principal point as shares of the picture's width (first row) and height (second)."""


def save_transforms(folder: Path) -> None:
    """Write ``transforms.json`` beside the ``cameras.json`` of a complete folder of posed views.

    Raises:
        ViewDistillError: The folder is not complete, or a picture is damaged.
    """
    views = ListedViews.load(folder).views
    frames = [
        {
            "file_path": view.file,
            "transform_matrix": view.camera.c2w.tolist(),
            **lens_of(folder / view.file, view.fovy_deg),
        }
        for view in views
    ]
    shared = [key for key in (frames[0] if frames else {}) if key not in ("file_path", "transform_matrix")]
    alike = all(frame[key] == frames[0][key] for frame in frames for key in shared)
    top = {key: frames[0][key] for key in shared} if alike else {}
    kept = [{key: value for key, value in frame.items() if key not in top} for frame in frames]
    instant_ngp = {"aabb_scale": 1, "scale": 0.5, "offset": [0.5, 0.5, 0.5]}
    write_json(folder / TRANSFORMS_FILE, {"camera_model": "PINHOLE", **top, **instant_ngp, "frames": kept})


def lens_of(picture: Path, fovy: float) -> dict[str, float | int]:
    """Return a view's intrinsics under the file's names.

    Raises:
        ViewDistillError: The picture is damaged.
    """
    try:
        with Image.open(picture) as image:
            width, height = image.size
    except (OSError, SyntaxError) as error:
        raise ViewDistillError(f"{picture}: not readable ({error}); run its stage again") from error
    focal = focal_length(fovy, height)
    angle = 2 * math.atan(0.5 * width / focal)
    middle = {"cx": width / 2, "cy": height / 2}
    return {"w": width, "h": height, "fl_x": focal, "fl_y": focal, **middle, "camera_angle_x": angle}


def load_transforms(path: Path) -> list[PosedPicture]:
    """Read a ``transforms.json``.

    Raises:
        ViewDistillError: The file is damaged or lists no frames, or a frame has a missing picture, distortion, no focal
            length, or an invalid pose.
    """
    remedy = "fix it; nerfstudio documents the format"
    content: Any = read_json(path, remedy)
    listed = parse(Transforms, content, path, remedy, unknown_keys=True)
    if not listed.frames:
        raise ViewDistillError(f"{path}: lists no frames; add at least one")
    for index, frame in enumerate([content, *content["frames"]]):
        bent = [name for name in DISTORTION if frame.get(name)]
        if bent:
            where = f"frame {index - 1}" if index else "all frames"
            raise ViewDistillError(
                f"{path}: {where}: lens distortion ({', '.join(bent)}); undistort the pictures first"
            )
    return [posed_picture(path, listed, frame) for frame in listed.frames]


def posed_picture(path: Path, top: Lens, frame: Frame) -> PosedPicture:
    """Convert one frame, with the intrinsics at the top of its file.

    Raises:
        ViewDistillError: As in `load_transforms`.
    """
    where = f"{path}: {frame.file_path}"
    picture = find_picture(path.parent, frame.file_path)
    try:
        with Image.open(picture) as image:
            size = image.size
    except (OSError, SyntaxError) as error:
        raise ViewDistillError(f"{picture}: not readable ({error})") from error
    width, height = (value or own for value, own in zip((frame.w or top.w, frame.h or top.h), size, strict=True))
    # A frame's own field of view takes precedence over a focal length at the top.
    focal = next((found for lens in (frame, top) if (found := focal_of(lens, width)) is not None), None)
    if focal is None:
        raise ViewDistillError(f"{where}: no focal length; give fl_x or camera_angle_x")
    focal_y = frame.fl_y or (top.fl_y if frame.fl_x is None and frame.camera_angle_x is None else None) or focal
    middle = (given(frame.cx, top.cx, width / 2), given(frame.cy, top.cy, height / 2))
    intrinsics = np.array([[focal / width, 0, middle[0] / width], [0, focal_y / height, middle[1] / height], [0, 0, 1]])
    return PosedPicture(picture, pose_of(frame.transform_matrix, where), intrinsics)


def focal_of(lens: Lens, width: float) -> float | None:
    """Return a lens's focal length, pixels; None without one."""
    if lens.fl_x is not None:
        return lens.fl_x
    return None if lens.camera_angle_x is None else 0.5 * width / math.tan(0.5 * lens.camera_angle_x)


def given(first: float | None, second: float | None, default: float) -> float:
    """Return the first number that is not None."""
    return next((value for value in (first, second) if value is not None), default)


def find_picture(folder: Path, name: str) -> Path:
    """Find a picture by its name, which NeRF's synthetic sets give without a suffix.

    Raises:
        ViewDistillError: The picture is missing, or outside the folder.
    """
    candidates = [inside(folder, name.removeprefix("./") + ending) for ending in ("", ".png", ".jpg", ".jpeg")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise ViewDistillError(f"{candidates[0]}: no such picture; fix file_path")
    return found


def pose_of(rows: Sequence[Sequence[float]], where: str) -> Float[np.ndarray, "4 4"]:
    """Return a rigid pose with its rotation made exact.

    Raises:
        ViewDistillError: The matrix is no rigid pose.
    """
    matrix = np.array(rows, dtype=np.float64) if all(len(row) == 4 for row in rows) else np.zeros((0, 4))
    rotation = matrix[:3, :3]
    if matrix.shape != (4, 4) or np.linalg.det(rotation) <= 0 or np.abs(rotation.T @ rotation - np.eye(3)).max() > 0.01:
        raise ViewDistillError(f"{where}: transform_matrix is not a camera pose; give a rotation and a position, 4 x 4")
    left, _, right = np.linalg.svd(rotation)
    matrix[:3, :3] = left @ right
    return matrix
