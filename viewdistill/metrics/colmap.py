"""How many points COLMAP triangulates from views with known cameras: views of one shape share many.

COLMAP is a program of its own and is used where it is on the path. Features are found and matched in all pairs of
views, and matches are triangulated with the cameras that the views came with (SyncDreamer's measure of consistency, Liu
et al. 2023). Nothing is compared with the truth.
"""

import re
import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float
from PIL import Image
from scipy.spatial.transform import Rotation
from torch import Tensor

from viewdistill.cameras import focal_length
from viewdistill.errors import ViewDistillError

SECONDS = 900
"""Time that one step of COLMAP may take."""

OPENGL_TO_COLMAP = np.diag([1.0, -1.0, -1.0])
"""COLMAP's cameras look along +z with y down."""


def colmap_points(
    rgb: Float[Tensor, "views 3 size size"], c2w: Float[Tensor, "views 4 4"], fovy: Sequence[float]
) -> int:
    """Count of triangulated points.

    Args:
        rgb: The views over white, in [0, 1].
        c2w: Their camera-to-world matrices.
        fovy: Their vertical fields of view, degrees.

    Raises:
        ViewDistillError: COLMAP is not installed, or a step of it failed.
    """
    program = shutil.which("colmap")
    if program is None:
        raise ViewDistillError("COLMAP is not installed (no program `colmap` on the path)")
    with TemporaryDirectory(prefix="viewdistill-colmap-") as name:
        folder = Path(name)
        images, database = folder / "images", folder / "database.db"
        images.mkdir()
        for index, picture in enumerate(rgb):
            pixels = (picture.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            Image.fromarray(pixels).save(images / f"{index:03d}.png")
        shared = ["--database_path", str(database)]
        cameras = ["--image_path", str(images), "--ImageReader.camera_model", "PINHOLE"]
        _step(program, "feature_extractor", [*shared, *cameras])
        _step(program, "exhaustive_matcher", shared)
        model, result = folder / "model", folder / "result"
        write_model(model, _ids(database), c2w, fovy, rgb.shape[-1])
        result.mkdir()
        paths = ["--image_path", str(images), "--input_path", str(model), "--output_path", str(result)]
        _step(program, "point_triangulator", [*shared, *paths])
        return _count(result / "points3D.bin")


def write_model(
    folder: Path,
    ids: dict[str, tuple[int, int]],
    c2w: Float[Tensor, "views 4 4"],
    fovy: Sequence[float],
    size: int,
) -> None:
    """Write the known cameras as COLMAP's text model without points.

    Args:
        folder: To write to.
        ids: Image and camera number in COLMAP's database, by file name.
        c2w: Camera-to-world matrices.
        fovy: Vertical fields of view, degrees.
        size: Side of the pictures, pixels.
    """
    folder.mkdir()
    cameras: list[str] = []
    images: list[str] = []
    for name, (image, camera) in ids.items():
        index = int(Path(name).stem)
        f, pose = focal_length(fovy[index], size), c2w[index].double().numpy()
        rotation = OPENGL_TO_COLMAP @ pose[:3, :3].T
        x, y, z, w = Rotation.from_matrix(rotation).as_quat()
        shift = -rotation @ pose[:3, 3]
        numbers = " ".join(f"{value:.12g}" for value in (w, x, y, z, *shift))
        cameras.append(f"{camera} PINHOLE {size} {size} {f:.9g} {f:.9g} {size / 2:g} {size / 2:g}\n")
        images.append(f"{image} {numbers} {camera} {name}\n\n")
    (folder / "cameras.txt").write_text("".join(dict.fromkeys(cameras)))
    (folder / "images.txt").write_text("".join(images))
    (folder / "points3D.txt").write_text("")


def _step(program: str, step: str, options: list[str]) -> None:
    """Run one of COLMAP's commands without a GPU, which it would want a display for."""
    known = subprocess.run([program, step, "-h"], capture_output=True, text=True, check=False, timeout=SECONDS)
    for option in re.findall(r"--(\w+\.use_gpu)\b", known.stdout + known.stderr):
        options = [*options, f"--{option}", "0"]
    try:
        done = subprocess.run([program, step, *options], capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ViewDistillError(f"COLMAP's {step} did not end within {SECONDS} seconds") from error
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise ViewDistillError(f"COLMAP's {step} failed with status {done.returncode}: {words}")


def _ids(database: Path) -> dict[str, tuple[int, int]]:
    """Number of each image and of its camera, by file name."""
    try:
        with sqlite3.connect(database) as connection:
            rows = connection.execute("SELECT name, image_id, camera_id FROM images ORDER BY image_id").fetchall()
        connection.close()
    except sqlite3.Error as error:
        raise ViewDistillError(f"COLMAP's database cannot be read ({error})") from error
    return {str(name): (int(image), int(camera)) for name, image, camera in rows}


def _count(path: Path) -> int:
    """Points of a binary model: a 64-bit number at its start says how many."""
    try:
        return int(struct.unpack("<Q", path.read_bytes()[:8])[0])
    except (OSError, struct.error) as error:
        raise ViewDistillError("COLMAP left no points3D.bin") from error
