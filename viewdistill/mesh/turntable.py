"""Orbit videos of meshes."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at
from viewdistill.mesh.raster import render_each
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.mesh.video import write_video
from viewdistill.pictures import to_bytes


def ring(count: int, elevation: float, distance: float = DISTANCE) -> Float[Tensor, "count 4 4"]:
    """Return cameras at equal steps of azimuth, the first at azimuth 0 (the input view's side); angles in degrees."""
    azimuth = torch.arange(count, dtype=torch.float32) * (360.0 / max(count, 1))
    return look_at(azimuth, torch.full_like(azimuth, elevation), torch.full_like(azimuth, distance))


def write_turntable(
    mesh: TexturedMesh,
    path: Path,
    elevation: float = 15.0,
    frames: int = 100,
    turns: int = 2,
    fps: int = 20,
    size: int = 256,
    fovy: float = FOVY_ZERO123,
    distance: float = DISTANCE,
) -> None:
    """Film a mesh from cameras that circle it.

    The defaults give ten seconds: two turns of 100 frames at 20 frames per second.

    Args:
        mesh: The mesh.
        path: MP4 to write.
        elevation: Of the cameras, degrees.
        frames: Pictures per turn.
        turns: Number of turns in the video; rendered once.
        fps: Frames per second.
        size: Side of the pictures, pixels; even.
        fovy: Vertical field of view, degrees.
        distance: Of the cameras from the origin, world units.
    """
    views = render_each(mesh, ring(frames, elevation, distance), fovy, size, shaded=True)
    pictures = [to_bytes(view.rgb[0]) for view in views]
    write_video(path, (picture for _ in range(turns) for picture in pictures), (size, size), fps)
