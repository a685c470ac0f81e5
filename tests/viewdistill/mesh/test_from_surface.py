import numpy as np
import pytest
import torch

from tests.viewdistill.mesh import analytic_field
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.cleaning import CleaningSettings, component_of_face
from viewdistill.mesh.from_field import MeshSettings
from viewdistill.mesh.from_surface import mesh_from_surface

SETTINGS = MeshSettings(resolution=72, texture_size=128, cleaning=CleaningSettings(face_budget=3_000))


def ball(points: torch.Tensor) -> torch.Tensor:
    return (points - torch.tensor([0.1, 0.0, 0.0])).norm(dim=1) - 0.3


def test_a_ball_comes_out_in_its_place_and_size_closed():
    made = mesh_from_surface(ball, lambda points: points.abs(), 1.0, SETTINGS)
    assert made.cleaning.watertight
    assert made.cleaning.volume == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.01)
    assert np.abs(np.linalg.norm(made.mesh.vertices - [0.1, 0, 0], axis=1) - 0.3).max() < 0.004
    outwards = (made.mesh.normals * (made.mesh.vertices - [0.1, 0, 0])).sum(1)
    assert (outwards > 0.29).all()


def test_the_fine_pass_spends_its_nodes_on_the_object():
    # Without the refitted box, 72 nodes over a side of 8 would leave a ball of radius 0.3 five nodes across.
    made = mesh_from_surface(ball, lambda points: points.abs(), 4.0, SETTINGS)
    assert np.abs(np.linalg.norm(made.mesh.vertices - [0.1, 0, 0], axis=1) - 0.3).max() < 0.01


def test_specks_and_closed_hollows_go_and_colours_stay():
    made = mesh_from_surface(analytic_field.signed_distance, analytic_field.color, 0.8, SETTINGS)
    assert made.cleaning.floaters_removed == 1
    assert made.cleaning.cavities_filled == 1
    assert made.cleaning.watertight
    assert component_of_face(len(made.mesh.vertices), made.mesh.faces).max() >= 0
    blue = (made.mesh.texture.astype(int) - analytic_field.BLUE.numpy() * 255).__abs__().max(-1) < 3
    red = (made.mesh.texture.astype(int) - analytic_field.RED.numpy() * 255).__abs__().max(-1) < 3
    assert (blue | red).mean() > 0.99
    assert 0.05 < blue.mean() < 0.5


@pytest.mark.parametrize(("sign", "what"), [(1.0, "nothing"), (-1.0, "everything")])
def test_a_surface_that_encloses_nothing_or_everything_is_named(sign, what):
    with pytest.raises(ViewDistillError, match=f"encloses {what}"):
        mesh_from_surface(lambda points: sign * (points[:, 0] * 0 + 1), lambda points: points, 0.5, SETTINGS)


def test_a_distance_that_is_not_finite_is_named():
    with pytest.raises(ViewDistillError, match="not finite"):
        mesh_from_surface(lambda points: points[:, 0] / 0, lambda points: points, 0.5, SETTINGS)
