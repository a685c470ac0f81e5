"""Labelled grids of pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from viewdistill.cameras import DISTANCE, FOVY_ZERO123
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.mesh.turntable import ring
from viewdistill.pictures import resize_pixels, to_bytes, write_picture

GAP = 4
FONT_SIZE = 14
LABEL_HEIGHT = 20


def grid(
    images: Sequence[Sequence[np.ndarray | None]],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> UInt8[np.ndarray, "h w 3"]:
    """Arrange pictures in rows and columns on white, with labels on the left and on top.

    Args:
        images: Rows of pictures, each uint8 or float in [0, 1], all of one size [H, W, 3]; None leaves a place empty.
            Rows may differ in length.
        row_labels: One per row, or none at all.
        column_labels: One per column, or none at all.

    Raises:
        ValueError: If there is no picture, sizes differ, or a list of labels has the wrong length.
    """
    shapes = {image.shape for row in images for image in row if image is not None}
    if len(shapes) != 1:
        raise ValueError(f"grid: needs pictures of one size, got {sorted(shapes) or 'none'}")
    height, width = shapes.pop()[:2]
    n_columns = max(len(row) for row in images)
    if len(row_labels) not in (0, len(images)) or len(column_labels) not in (0, n_columns):
        raise ValueError(
            f"grid: {len(images)} rows and {n_columns} columns do not fit "
            f"{len(row_labels)} row labels and {len(column_labels)} column labels"
        )
    font = ImageFont.load_default(FONT_SIZE)
    left = max((int(font.getlength(label)) + 2 * GAP for label in row_labels), default=0)
    top = LABEL_HEIGHT if column_labels else 0
    size = (left + n_columns * (width + GAP) + GAP, top + len(images) * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(images):
        y = top + GAP + i * (height + GAP)
        if row_labels:
            draw.text((GAP, y + height // 2), row_labels[i], fill="black", font=font, anchor="lm")
        for j, image in enumerate(row):
            if image is not None:
                sheet.paste(Image.fromarray(to_bytes(image)), (left + GAP + j * (width + GAP), y))
    for j, label in enumerate(column_labels):
        middle = left + GAP + j * (width + GAP) + width // 2
        draw.text((middle, LABEL_HEIGHT // 2 + 1), label, fill="black", font=font, anchor="mm")
    return np.asarray(sheet)


def contact_sheet(
    mesh: TexturedMesh,
    input_image: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"],
    path: Path,
    elevation: float,
    size: int = 192,
    fovy: float = FOVY_ZERO123,
    distance: float = DISTANCE,
) -> None:
    """Write a PNG of a mesh seen from eight sides beside the input picture: base colour above, shaded clay below.

    Args:
        mesh: The mesh.
        input_image: The input over white; resized to ``size``.
        path: PNG to write; replaced only by a complete one.
        elevation: Of the input camera and of the eight views, degrees; the first view can then be compared with the
            input.
        size: Side of each picture, pixels.
        fovy: Vertical field of view, degrees.
        distance: Of the cameras from the origin, world units.
    """
    cameras = ring(8, elevation, distance)
    color = render_mesh(mesh, cameras, fovy, size).rgb
    clay = render_mesh(mesh, cameras, fovy, size, shaded=True, textured=False).rgb
    resized = resize_pixels(to_bytes(input_image), size)
    labels = ["input", *(f"{45 * i}°" for i in range(8))]
    sheet = grid([[resized, *color], [None, *clay]], ["colour", "shape"], labels)
    write_picture(path, sheet)
