"""Camera paths for videos: around the object, or from a file."""

import math
from pathlib import Path

from datamodules.posed_views import CAMERAS_FILE, ListedViews, ViewCamera
from viewdistill.cameras import DISTANCE, FOVY_ZERO123
from viewdistill.errors import ViewDistillError

SPIRAL_ELEVATIONS = (-20.0, 60.0)
"""First and last elevation of a spiral, degrees."""

SPIRAL_TURNS = 2
"""Turns of a spiral."""


def orbit(
    frames: int, elevation: float, distance: float = DISTANCE, fovy: float = FOVY_ZERO123
) -> tuple[ViewCamera, ...]:
    """Return one turn at equal steps of azimuth, from the input view's side.

    Args:
        frames: Number of cameras.
        elevation: Degrees.
        distance: World units from the origin.
        fovy: Vertical field of view, degrees.
    """
    return tuple(ViewCamera(360.0 * index / frames, elevation, distance, fovy) for index in range(frames))


def spiral(frames: int, distance: float = DISTANCE, fovy: float = FOVY_ZERO123) -> tuple[ViewCamera, ...]:
    """Return two turns up from below the horizon; slow at both ends, where the elevation turns.

    Args:
        frames: Number of cameras.
        distance: World units from the origin.
        fovy: Vertical field of view, degrees.
    """
    low, high = SPIRAL_ELEVATIONS
    shares = [index / max(frames - 1, 1) for index in range(frames)]
    return tuple(
        ViewCamera(
            360.0 * SPIRAL_TURNS * share,
            low + (high - low) * (1 - math.cos(math.pi * share)) / 2,
            distance,
            fovy,
        )
        for share in shares
    )


def listed(path: Path) -> tuple[ViewCamera, ...]:
    """Read cameras from a ``cameras.json``, see `datamodules.posed_views`.

    Args:
        path: The file, or its folder.

    Raises:
        ViewDistillError: The file is missing or damaged, or lists no cameras.
    """
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name != CAMERAS_FILE:
        raise ViewDistillError(f"{path}: not a camera path; give orbit, spiral or a {CAMERAS_FILE}")
    cameras = tuple(view.camera for view in ListedViews.load(folder).views)
    if not cameras:
        raise ViewDistillError(f"{folder / CAMERAS_FILE}: lists no cameras; add at least one")
    return cameras
