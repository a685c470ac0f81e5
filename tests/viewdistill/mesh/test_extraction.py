import tracemalloc

import numpy as np
import pytest
import torch

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.cleaning import is_watertight, signed_volume
from viewdistill.mesh.extraction import (
    DensityGrid,
    cube,
    extract_mesh,
    isosurface,
    marching_cubes,
    refit_box,
    sample_density,
)
from viewdistill.mesh.from_field import MeshSettings
from viewdistill.mesh.from_surface import mesh_from_surface

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


def torus(points):
    """Depth below the surface of a torus."""
    ring = points[:, :2].norm(dim=1) - 0.5
    return 0.2 - (ring.square() + points[:, 2].square()).sqrt()


@pytest.mark.parametrize("nodes", [2 * 40**2, 7 * 40**2, 23 * 40**2])
def test_blocks_give_the_surface_of_the_whole(nodes: int):
    box = np.array([[-0.9, -0.9, -0.5], [0.9, 0.9, 0.5]])
    vertices, faces = isosurface(torus, box, 40, 0.0, block_nodes=nodes)
    whole_vertices, whole_faces = marching_cubes(sample_density(torus, box, 40), 0.0)
    assert is_watertight(faces)
    assert (len(vertices), len(faces)) == (len(whole_vertices), len(whole_faces))
    assert signed_volume(vertices, faces) == pytest.approx(signed_volume(whole_vertices, whole_faces), rel=1e-6)
    for axis in range(3):
        np.testing.assert_allclose(np.sort(vertices[:, axis]), np.sort(whole_vertices[:, axis]), atol=1e-6)


def test_blocks_close_the_surface_where_it_runs_into_the_box():
    box = np.array([[-0.4, -0.6, -0.5], [0.9, 0.9, 0.5]])
    vertices, faces = isosurface(torus, box, 40, 0.0, block_nodes=3 * 40**2)
    assert is_watertight(faces)
    assert signed_volume(vertices, faces) > 0.2


def test_memory_follows_the_block_and_not_the_volume():
    """NumPy's allocations at 256 nodes an axis, whose grid alone takes 67 MB."""
    box = np.array([[-0.5] * 3, [0.5] * 3])
    tracemalloc.start()
    vertices, faces = isosurface(lambda points: 0.2 - points.norm(dim=1), box, 256, 0.0, block_nodes=8 * 256**2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert is_watertight(faces)
    assert len(vertices) > 40_000
    assert peak < 40e6


def test_what_is_not_finite_has_its_own_name():
    nan = lambda points: torch.full((len(points),), torch.nan)  # noqa: E731
    with pytest.raises(ViewDistillError, match="the surface's signed distance holds values that are not finite"):
        mesh_from_surface(nan, lambda points: points, 1.0, MeshSettings(resolution=16))
    with pytest.raises(ViewDistillError, match="the density field holds values that are not finite"):
        extract_mesh(nan, 1.0, 16, 1.0)


def test_a_box_without_a_surface_is_named_with_its_greatest_density():
    with pytest.raises(ViewDistillError, match=r"empty at iso-value 5 .*greatest density is 1"):
        isosurface(lambda points: torch.ones(len(points)), cube(1.0), 20, 5.0, block_nodes=3 * 400)
