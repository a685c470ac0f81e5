"""Number of points that COLMAP triangulates from views with known cameras: consistent views share many.

Features are detected and matched in all pairs of views, and matches are triangulated with the views' cameras
(SyncDreamer's measure of consistency, Liu et al. 2023). The ground truth is not used. COLMAP comes as the library
pycolmap, in the extra ``colmap``.
"""

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from viewdistill.cameras import focal_length
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import to_pictures, write_picture

OPENGL_TO_COLMAP = np.diag([1.0, -1.0, -1.0])
"""COLMAP's cameras look along +z with y down."""


def colmap_points(
    rgb: Float[Tensor, "views 3 size size"], c2w: Float[Tensor, "views 4 4"], fovy: Sequence[float]
) -> int:
    """Count triangulated points.

    Args:
        rgb: The views over white, in [0, 1].
        c2w: Their camera-to-world matrices.
        fovy: Their vertical fields of view, degrees.

    Raises:
        ViewDistillError: COLMAP is not installed, or one of its steps failed.
    """
    if importlib.util.find_spec("pycolmap") is None:
        raise ViewDistillError("COLMAP is not installed; run `pip install 'viewdistill[colmap]'`")
    library: Any = importlib.import_module("pycolmap")
    with TemporaryDirectory(prefix="viewdistill-colmap-") as name, _silent():
        folder = Path(name)
        images, database = folder / "images", folder / "database.db"
        for index, picture in enumerate(to_pictures(rgb)):
            write_picture(images / f"{index:03d}.png", picture)
        try:
            library.extract_features(
                database,
                images,
                camera_mode=library.CameraMode.PER_IMAGE,
                reader_options=library.ImageReaderOptions(camera_model="PINHOLE"),
                extraction_options=library.FeatureExtractionOptions(use_gpu=False, num_threads=1),
            )
            matching = library.FeatureMatchingOptions(use_gpu=False, num_threads=1)
            library.match_exhaustive(database, matching_options=matching)
            model = known_model(library, database, c2w, fovy, rgb.shape[-1])
            result = library.triangulate_points(model, database, images, folder)
        # COLMAP raises ValueError (nothing to do) or RuntimeError (a failed step).
        except (ValueError, RuntimeError, OSError) as error:
            raise ViewDistillError(f"COLMAP failed: {str(error).splitlines()[0] if str(error) else error!r}") from error
        return int(result.num_points3D())


def known_model(library: Any, database: Path, c2w: Float[Tensor, "views 4 4"], fovy: Sequence[float], size: int) -> Any:
    """Build a model of the known cameras, without points.

    Args:
        library: pycolmap.
        database: COLMAP's database, which holds each picture's number.
        c2w: Camera-to-world matrices.
        fovy: Vertical fields of view, degrees.
        size: Side of the pictures, pixels.

    Returns:
        A ``pycolmap.Reconstruction``.
    """
    model = library.Reconstruction()
    with library.Database.open(database) as opened:
        pictures = {image.name: image for image in opened.read_all_images()}
    for index in range(len(c2w)):
        image = pictures[f"{index:03d}.png"]
        focal, centre = focal_length(fovy[index], size), size / 2
        camera = library.Camera(
            camera_id=image.camera_id,
            model="PINHOLE",
            width=size,
            height=size,
            params=[focal, focal, centre, centre],
        )
        pose = c2w[index].double().numpy()
        rotation = OPENGL_TO_COLMAP @ pose[:3, :3].T
        placed = library.Rigid3d(library.Rotation3d(rotation), -rotation @ pose[:3, 3])
        # One rig per camera.
        model.add_camera_with_trivial_rig(camera)
        image = library.Image(name=image.name, camera_id=image.camera_id, image_id=image.image_id)
        model.add_image_with_trivial_frame(image, placed)
    return model


@contextlib.contextmanager
def _silent() -> Generator[None]:
    """Silence COLMAP, which writes to the process's own streams, past Python's."""
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)
