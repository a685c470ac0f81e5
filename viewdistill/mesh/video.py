"""Videos from frames, by imageio's ffmpeg."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8

from viewdistill.errors import ViewDistillError
from viewdistill.files import atomic_path

SAME_BYTES = ["-threads", "1", "-fflags", "+bitexact", "-flags", "+bitexact"]
"""One thread and no time stamps: the bytes depend on the frames only."""

PALETTE = "split[all][shown];[all]palettegen[colors];[shown][colors]paletteuse"
"""Filter for the best 256 colours over all frames; ffmpeg's default palette is the same for every GIF."""

FORMATS = {
    "mp4": ("libx264", "yuv420p", ["-crf", "20"]),
    "webm": ("libvpx-vp9", "yuv420p", ["-crf", "30", "-b:v", "0"]),
    "gif": ("gif", "pal8", ["-filter_complex", PALETTE]),
}
"""Suffix → codec, pixel format and more options of ffmpeg. Every browser plays all of them."""

ENDINGS = tuple(FORMATS)
"""Suffixes of videos."""


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "h w 3"]], size: tuple[int, int], fps: int = 24) -> None:
    """Write frames as a video; the same frames give the same bytes.

    Args:
        path: File to write, replaced only by a complete one; the suffix chooses the format, see `ENDINGS`.
        frames: Pictures of one size.
        size: Their width and height, pixels; both even.
        fps: Frames per second.

    Raises:
        ViewDistillError: A side is odd, which yuv420p cannot hold, or the suffix is unknown.
    """
    if size[0] % 2 or size[1] % 2:
        raise ViewDistillError(f"{path}: a video needs an even width and height, not {size[0]}x{size[1]}")
    if path.suffix[1:] not in FORMATS:
        raise ViewDistillError(f"{path}: not a known video format; end the name in {', '.join(ENDINGS)}")
    codec, pixels, more = FORMATS[path.suffix[1:]]
    library: Any = imageio_ffmpeg
    with atomic_path(path) as temporary:
        writer = library.write_frames(
            str(temporary),
            size,
            fps=fps,
            codec=codec,
            pix_fmt_in="rgb24",
            pix_fmt_out=pixels,
            quality=None,
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=[*more, *SAME_BYTES],
        )
        writer.send(None)
        try:
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
        finally:
            writer.close()


def first_frame(path: Path) -> bytes | None:
    """Return the first frame of a video as a PNG; none where it cannot be read."""
    library: Any = imageio_ffmpeg
    command = [library.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-frames:v", "1"]
    found = subprocess.run([*command, "-f", "image2pipe", "-c:v", "png", "-"], capture_output=True, check=False)
    return found.stdout if found.returncode == 0 and found.stdout else None
