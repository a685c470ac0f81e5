"""Orbit videos (H.264 in MP4, yuv420p, which every browser plays)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at
from viewdistill.errors import ViewDistillError
from viewdistill.files import atomic_path
from viewdistill.mesh.raster import render_each
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.pictures import to_bytes

# One thread and no stamps: the bytes then depend on nothing but the frames.
VIDEO_OPTIONS = ["-crf", "20", "-threads", "1", "-fflags", "+bitexact", "-flags", "+bitexact"]


def ring(count: int, elevation: float, distance: float = DISTANCE) -> Float[Tensor, "count 4 4"]:
    """Cameras at equal steps of azimuth, the first at azimuth 0 (the input view's side); angles in degrees."""
    azimuth = torch.arange(count, dtype=torch.float32) * (360.0 / max(count, 1))
    return look_at(azimuth, torch.full_like(azimuth, elevation), torch.full_like(azimuth, distance))


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "h w 3"]], size: tuple[int, int], fps: int = 24) -> None:
    """Writes frames as an MP4; the same frames give the same bytes.

    Args:
        path: File to write; replaced only when the new one is whole.
        frames: Pictures of one size.
        size: Their width and height, pixels; both even.
        fps: Frames a second.

    Raises:
        ViewDistillError: If a side is odd, which yuv420p cannot hold.
    """
    if size[0] % 2 or size[1] % 2:
        raise ViewDistillError(f"{path}: a video needs an even width and height, not {size[0]}x{size[1]}")
    library: Any = imageio_ffmpeg
    with atomic_path(path) as temporary:
        writer = library.write_frames(
            str(temporary),
            size,
            fps=fps,
            codec="libx264",
            pix_fmt_in="rgb24",
            pix_fmt_out="yuv420p",
            quality=None,
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=VIDEO_OPTIONS,
        )
        writer.send(None)
        try:
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
        finally:
            writer.close()


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
    """Films a mesh from cameras that circle it.

    The defaults make ten seconds: two turns of 100 frames at 20 frames a second.

    Args:
        mesh: The mesh.
        path: MP4 to write.
        elevation: Of the cameras, degrees.
        frames: Pictures a turn.
        turns: How often the turn is shown; rendered once.
        fps: Frames a second.
        size: Side of the pictures, pixels; even.
        fovy: Vertical field of view, degrees.
        distance: Of the cameras from the origin, world units.
    """
    views = render_each(mesh, ring(frames, elevation, distance), fovy, size, shaded=True)
    pictures = [to_bytes(view.rgb[0]) for view in views]
    write_video(path, (picture for _ in range(turns) for picture in pictures), (size, size), fps)
