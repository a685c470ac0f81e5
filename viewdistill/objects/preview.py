"""Contact sheets of generated objects, for inspection."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from viewdistill.cameras import FOVY_ZERO123
from viewdistill.objects.generator import generate
from viewdistill.objects.render import poses, render
from viewdistill.pictures import write_picture


def contact_sheet(
    seeds: Sequence[int],
    path: Path,
    azimuths: Sequence[float] = (30.0, 210.0),
    elevation: float = 20.0,
    size: int = 128,
    columns: int = 5,
) -> list[str]:
    """Draw the objects of the seeds side by side, each from several sides, over white.

    Args:
        seeds: Objects, in reading order.
        path: PNG file to write.
        azimuths: Cameras of each object, degrees, left to right.
        elevation: Of all cameras, degrees.
        size: Side of one picture, pixels.
        columns: Objects per row.

    Returns:
        The captions, in the order of the seeds.
    """
    c2w = poses(azimuths, [elevation] * len(azimuths))
    rows = -(-len(seeds) // columns)
    sheet = np.full((rows * size, columns * len(azimuths) * size, 3), 255, np.uint8)
    captions: list[str] = []
    for index, seed in enumerate(seeds):
        obj = generate(seed)
        captions.append(obj.caption)
        strip = np.concatenate(list(render(obj, c2w, FOVY_ZERO123, size, supersample=3).over(1.0)), axis=1)
        top, left = index // columns * size, index % columns * strip.shape[1]
        sheet[top : top + size, left : left + strip.shape[1]] = strip
    write_picture(path, sheet)
    return captions
