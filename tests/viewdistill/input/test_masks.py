"""Masks that were made for a photograph before its EXIF rotation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.input.cut_out import load_cut_out
from viewdistill.input.masks import TURNED


def stored() -> tuple[Image.Image, np.ndarray]:
    """A photograph as stored, without symmetry, and its mask."""
    rgb = np.full((120, 90, 3), 230, np.uint8)
    mask = np.zeros((120, 90), np.uint8)
    mask[20:70, 15:45] = mask[20:30, 15:80] = 255
    rgb[mask > 0] = (180, 40, 30)
    return Image.fromarray(rgb), mask


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_of_the_stored_picture_is_turned_with_it(orientation: int, tmp_path: Path):
    image, mask = stored()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = load_cut_out(tmp_path / "a.jpg", tmp_path / "mask.png")
    assert (found.notes == (TURNED,)) == (orientation > 1)
    inside = found.rgba[found.rgba[..., 3] > 127]
    np.testing.assert_allclose(np.median(inside[:, :3], 0), (180, 40, 30), atol=6)
    assert (abs(inside[:, 1].astype(int) - 40) < 30).mean() > 0.97


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_mask_of_the_upright_picture_stays(orientation: int, tmp_path: Path):
    image, mask = stored()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    turn = Image.Transpose.ROTATE_180 if orientation == 3 else Image.Transpose.ROTATE_270
    Image.fromarray(mask).transpose(turn).save(tmp_path / "mask.png")
    assert load_cut_out(tmp_path / "a.jpg", tmp_path / "mask.png").notes == ()


def test_a_mask_of_neither_size(tmp_path: Path):
    image, mask = stored()
    image.save(tmp_path / "a.png")
    Image.fromarray(mask[:100]).save(tmp_path / "mask.png")
    with pytest.raises(ViewDistillError, match="the mask has 90 x 100 pixels and the image 90 x 120"):
        load_cut_out(tmp_path / "a.png", tmp_path / "mask.png")
