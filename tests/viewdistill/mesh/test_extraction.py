import numpy as np
import pytest
import torch

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.cleaning import is_watertight, signed_volume
from viewdistill.mesh.extraction import DensityGrid, cube, extract_mesh, marching_cubes, refit_box, sample_density

CENTRE = torch.tensor([0.2, -0.1, 0.3])


def ball(points):
    """Density 10 at the centre, 0 at distance 1, linear."""
    return 10 * (1 - (points - CENTRE).norm(dim=1)).clamp_min(0)


def test_the_grid_has_the_field_at_its_nodes_whatever_the_chunk():
    box = np.array([[-1.0, -0.5, 0.0], [1.0, 0.5, 2.0]])
    grid = sample_density(lambda points: points @ torch.tensor([1.0, 10.0, 100.0]), box, 5, chunk=1)
    assert grid.density[1, 2, 3] == pytest.approx(-0.5 + 0.0 + 150.0)
    np.testing.assert_allclose(grid.spacing, [0.5, 0.25, 0.5])
    whole = sample_density(lambda points: points @ torch.tensor([1.0, 10.0, 100.0]), box, 5)
    np.testing.assert_array_equal(grid.density, whole.density)


def test_a_ball_comes_out_at_its_place_and_size_facing_outwards():
    vertices, faces = extract_mesh(ball, 1.0, 64, iso=6.0)
    np.testing.assert_allclose(np.linalg.norm(vertices - CENTRE.numpy(), axis=1), 0.4, atol=2e-3)
    assert is_watertight(faces)
    assert signed_volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.01)


def test_the_second_pass_spends_its_nodes_on_the_object():
    coarse = sample_density(ball, cube(1.0), 64)
    box = refit_box(coarse, 8.0)
    np.testing.assert_allclose(box.mean(0), CENTRE.numpy(), atol=0.03)
    side = box[1] - box[0]
    assert ((side > 1.2 * 0.4) & (side < 1.2 * 0.5)).all()


def test_a_surface_running_out_of_the_cube_is_closed():
    vertices, faces = extract_mesh(lambda points: 20 - points[:, 2], 0.5, 48, iso=10.0)
    assert is_watertight(faces)
    assert signed_volume(vertices, faces) == pytest.approx(1.0, rel=0.08)


def test_density_where_nothing_is_occupied_does_not_count():
    occupied = lambda points: points[:, 0] > 0.2  # noqa: E731
    vertices, _ = extract_mesh(ball, 1.0, 48, iso=6.0, occupied_fn=occupied)
    assert vertices[:, 0].min() > 0.2 - 2 * 0.05
    assert vertices[:, 0].max() == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize("iso", [10.0, 25.0])
def test_an_empty_field_says_what_to_try(iso):
    with pytest.raises(ViewDistillError, match=r"empty at iso-value .* lower iso-value"):
        extract_mesh(ball, 1.0, 16, iso)
    with pytest.raises(ViewDistillError, match="empty at iso-value"):
        marching_cubes(DensityGrid(np.zeros((4, 4, 4), np.float32), cube(1.0)), iso)


def test_a_field_that_is_not_finite_is_named():
    with pytest.raises(ViewDistillError, match="not finite"):
        sample_density(lambda points: points[:, 0] / 0.0, cube(1.0), 4)
