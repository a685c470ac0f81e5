import numpy as np
import pytest
import torch

from viewdistill.cameras import FOVY_ZERO123
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.extraction import DensityGrid, cube, sample_density
from viewdistill.mesh.iso_value import IsoCandidate, candidate_values, iso_value_sweep, mask_iou
from viewdistill.mesh.iso_value import _middle_of_plateau as middle_of_plateau  # pyright: ignore[reportPrivateUsage]
from viewdistill.mesh.raster import silhouettes
from viewdistill.mesh.turntable import ring


def cone_density(points):
    return 100 * (1 - points.norm(dim=1)).clamp_min(0)


@pytest.fixture
def grid():
    return sample_density(cone_density, cube(1.0), 48)


def ball_mask(radius, c2w, size):
    """Exact silhouette of a ball around the origin."""
    from viewdistill.cameras import rays

    origins, directions = rays(c2w, FOVY_ZERO123, size, size)
    nearest = torch.linalg.cross(origins, directions).norm(dim=-1)
    return (nearest < radius).float()


def test_the_iso_value_whose_silhouette_fits_is_chosen(grid):
    cameras = ring(4, 20.0)
    sweep = iso_value_sweep(grid, cameras, FOVY_ZERO123, ball_mask(0.4, cameras, 64), [20.0, 40.0, 60.0, 80.0])
    assert sweep.chosen.value == 60.0
    assert sweep.chosen.iou > 0.96
    assert [candidate.value for candidate in sweep.candidates] == [20.0, 40.0, 60.0, 80.0]
    expected = (0.2 / 0.4) ** 2
    assert sweep.candidates[3].iou == pytest.approx(expected, abs=0.05)
    assert sweep.candidates[0].n_faces > sweep.candidates[3].n_faces > 0


def test_default_values_rise_and_stay_below_the_greatest_density(grid):
    values = candidate_values(grid, 10)
    assert values == sorted(values)
    assert len(values) == 10
    assert values[0] == pytest.approx(0.5)
    assert values[-1] == pytest.approx(0.8 * grid.density.max())


def test_values_above_the_greatest_density_are_left_out(grid):
    cameras = ring(2, 0.0)
    mask = ball_mask(0.4, cameras, 16)
    assert len(iso_value_sweep(grid, cameras, FOVY_ZERO123, mask, [50.0, 1e4]).candidates) == 1
    with pytest.raises(ViewDistillError, match="try lower"):
        iso_value_sweep(grid, cameras, FOVY_ZERO123, mask, [1e4])


def test_empty_renders_and_empty_fields_say_so(grid):
    cameras = ring(2, 0.0)
    with pytest.raises(ViewDistillError, match="renders of the field are empty"):
        iso_value_sweep(grid, cameras, FOVY_ZERO123, torch.zeros(2, 16, 16))
    with pytest.raises(ViewDistillError, match="field is empty"):
        candidate_values(DensityGrid(np.zeros((4, 4, 4), np.float32), cube(1.0)))


def test_the_middle_of_equally_good_values_is_taken():
    ious = [0.5, 0.951, 0.953, 0.954, 0.8, 0.954]
    candidates = [IsoCandidate(float(i), iou, 1) for i, iou in enumerate(ious)]
    assert middle_of_plateau(candidates).value == 2.0


def test_mask_iou_by_hand():
    first, second = np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    first[0, 0] = True
    second[0, :, 0] = True
    assert mask_iou(first, second) == pytest.approx((1 / 3 + 1) / 2)


def test_silhouettes_of_a_square_by_hand():
    # A square of half side 0.25 at the origin facing a camera at distance 1.5.
    vertices = np.array([[0, -0.25, -0.25], [0, 0.25, -0.25], [0, 0.25, 0.25], [0, -0.25, 0.25]])
    mask = silhouettes(vertices, np.array([[0, 1, 2], [0, 2, 3]]), ring(1, 0.0), FOVY_ZERO123, 96)[0]
    focal = 48 / np.tan(np.radians(FOVY_ZERO123 / 2))
    half = focal * 0.25 / 1.5
    expected = np.abs(np.arange(96) + 0.5 - 48) < half
    np.testing.assert_array_equal(mask, expected[:, None] & expected[None, :])
