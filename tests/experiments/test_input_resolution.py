"""How near a mesh's front comes to the picture, and which part of it is drawn."""

from pathlib import Path

import numpy as np
import pytest

from datamodules.runs.run_folder import RunFolder
from experiments.measurements.input_resolution import drawing, main, most_detailed, score
from viewdistill.mesh.raster import MeshViews

SIDE = 64


def disc() -> np.ndarray:
    """A disc with stripes in its lower right quarter, RGBA."""
    y, x = np.mgrid[:SIDE, :SIDE]
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    rgba[..., 3] = 255 * ((x - 32) ** 2 + (y - 32) ** 2 < 28**2)
    rgba[36:48:2, 36:48, :3] = 255
    return rgba


def view(rgba: np.ndarray) -> MeshViews:
    """What a mesh with this front shows, over white."""
    pixels = rgba.astype(np.float32)[None] / 255
    alpha = pixels[..., 3]
    rgb = pixels[..., :3] * alpha[..., None] + 1 - alpha[..., None]
    return MeshViews(rgb, alpha, np.zeros_like(alpha), np.zeros_like(rgb))


def test_an_outline_that_is_off_takes_no_part_where_both_cover() -> None:
    smaller = disc()
    smaller[:, :12] = 0
    whole, covered = score(disc(), view(smaller))
    assert whole < 20
    assert covered > 80
    assert score(disc(), view(disc()))[0] > 80


def test_a_blurred_texture_costs_where_both_cover() -> None:
    blurred = disc()
    blurred[36:48, 36:48, :3] = 128
    changed = 12 * 12 / (disc()[..., 3] > 0).sum()
    assert score(disc(), view(blurred))[1] == pytest.approx(-10 * np.log10(changed * 0.25), abs=0.1)


def test_the_close_up_is_where_the_object_has_edges() -> None:
    rows, columns = most_detailed(disc(), 16)
    assert (rows.start, columns.start) == (32, 32)


def test_the_picture_shows_the_object_and_three_close_ups() -> None:
    fronts = {16: view(disc()), SIDE: view(disc())}
    drawn = drawing(disc(), fronts, dict.fromkeys(fronts, (20.0, 30.0)), 24)
    assert 4 * 24 <= drawn.shape[1] < 6 * 24
    assert drawn.std() > 10


def test_a_run_of_no_generated_object_is_named(
    run_folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run_folder.root), f"--out={tmp_path / 'picture.png'}", f"--work={tmp_path / 'work'}"]) == 2
    assert "the input is not a generated object" in capsys.readouterr().err
