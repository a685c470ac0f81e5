"""Signed distances of a density field's solid, against the analytic ones."""

import numpy as np
import pytest
import torch

from tests.viewdistill.mesh import analytic_field
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.extraction import cube, sample_density
from viewdistill.mesh.level_set import LevelSet, without_specks_and_hollows

ISO = analytic_field.PEAK / 2
"""Density on the analytic surface."""


@pytest.fixture(scope="module")
def solid() -> LevelSet:
    return LevelSet.of(sample_density(analytic_field.density, cube(0.65), 96), ISO)


def exact(points: np.ndarray) -> np.ndarray:
    """Distance from the torus and the ball, without the speck and the hollow."""
    ring = np.linalg.norm(points[:, :2], axis=1) - 0.3
    torus = np.hypot(ring, points[:, 2]) - 0.12
    return np.minimum(torus, np.linalg.norm(points - analytic_field.BALL.numpy(), axis=1) - 0.15)


def test_distances_are_those_of_the_solid_without_speck_and_hollow(solid: LevelSet) -> None:
    points = np.random.default_rng(1).uniform(-0.6, 0.6, size=(4000, 3))
    wanted, found = exact(points), solid.distance(points)
    outside = wanted > 0  # inside, the union of two distances is no distance where they overlap
    assert np.abs(found - wanted)[outside].max() < 0.01  # a grid cell is 0.0137
    assert np.abs(found - wanted)[outside].mean() < 0.002
    clear = np.abs(wanted) > 0.005
    assert ((found < 0) == (wanted < 0))[clear].all()
    assert solid.distance(analytic_field.BALL.numpy()[None])[0] < -0.1  # the hollow is filled
    assert solid.distance(np.array([[0.0, 0.0, 0.55]]))[0] > 0.2  # the speck is gone


def test_the_surface_itself_is_at_no_distance(solid: LevelSet) -> None:
    assert np.abs(solid.distance(solid.points)).max() < 1e-6
    assert np.abs(exact(solid.points)).mean() < 0.002
    step = 0.004
    outwards = solid.distance(solid.points + step * solid.normals)
    assert np.median(np.abs(outwards - step)) < 1e-4


def test_specks_and_hollows_of_a_grid() -> None:
    density = np.zeros((12, 12, 12), np.float32)
    density[1:9, 1:9, 1:9] = 5
    density[4, 4, 4] = 0
    density[11, 11, 11] = 7
    sound = without_specks_and_hollows(density, 1.0)
    assert sound[11, 11, 11] == 0
    assert sound[4, 4, 4] > 1
    assert np.array_equal(sound[1:9, 1:9, 1:9] > 1, np.ones((8, 8, 8), bool))
    assert np.array_equal(without_specks_and_hollows(density, 9.0), density)


def test_an_empty_field_has_none() -> None:
    with pytest.raises(ViewDistillError, match="is empty at iso-value"):
        LevelSet.of(sample_density(lambda points: torch.zeros(len(points)), cube(0.65), 16), 1.0)
