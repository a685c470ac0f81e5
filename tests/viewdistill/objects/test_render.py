"""The renderer against analytic spheres and boxes, and the camera convention by hand."""

import numpy as np
import pytest
import torch

from tests.viewdistill.objects.solids import ball_part, box_part, plain_object
from viewdistill.cameras import FOVY_ZERO123, project, rays
from viewdistill.objects.materials import TwoTone
from viewdistill.objects.render import poses, render
from viewdistill.objects.shading import Light, corner_normals

AMBIENT_ONLY = Light(ambient=1.0, key=0.0, fill=0.0)


def test_sphere_depth_and_normals_match_the_analytic_ones() -> None:
    size, radius = 64, 0.45
    c2w = poses([0.0, 70.0, -130.0], [0.0, 40.0, -20.0])
    views = render(plain_object(ball_part(radius)), c2w, FOVY_ZERO123, size, supersample=1)
    origins, directions = (r.numpy() for r in rays(torch.from_numpy(c2w), FOVY_ZERO123, size, size))
    b = (origins * directions).sum(-1)
    discriminant = b**2 - ((origins**2).sum(-1) - radius**2)
    inside = discriminant > 0.003  # away from the silhouette, where the polyhedron is smaller than the ball
    assert (views.alpha[inside] == 255).all()
    assert (views.alpha[discriminant < 0] == 0).all()
    distance = -b - np.sqrt(np.maximum(discriminant, 0))
    points = origins + distance[..., None] * directions
    axis_depth = distance * -(directions * c2w[:, None, None, :3, 2]).sum(-1)
    np.testing.assert_allclose(views.depth[inside], axis_depth[inside], atol=4e-3)
    assert ((views.normals[inside] * points[inside] / radius).sum(-1) > 0.999).all()
    assert (views.depth[views.alpha == 0] == 0).all()


def test_alpha_is_the_covered_area() -> None:
    """A square facing the camera covers 64 · (1/1.3) / (2 tan(fovy/2)) pixels along each side."""
    part = box_part((0.4, 0.4, 0.4), (0, 0, 0))
    views = render(plain_object(part), poses([0.0], [0.0]), FOVY_ZERO123, 64, supersample=8)
    side = 64 * 0.4 / 1.3 / (2 * np.tan(np.deg2rad(FOVY_ZERO123) / 2))
    assert views.alpha.sum() / 255 == pytest.approx(side**2, rel=0.01)
    assert len(np.unique(views.alpha)) > 2


def test_supersampling_lies_between_its_samples() -> None:
    obj = plain_object(ball_part(0.4))
    fine = render(obj, poses([20.0], [30.0]), FOVY_ZERO123, 64, supersample=1).alpha.astype(float)
    coarse = render(obj, poses([20.0], [30.0]), FOVY_ZERO123, 32, supersample=2).alpha
    np.testing.assert_allclose(coarse[0], fine[0].reshape(32, 2, 32, 2).mean((1, 3)), atol=0.51)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (35.0, 20.0), (200.0, -15.0), (-90.0, 60.0)])
def test_a_small_object_appears_where_the_camera_module_projects_it(azimuth: float, elevation: float) -> None:
    centre = (0.3, -0.1, 0.2)
    c2w = poses([azimuth], [elevation])
    views = render(plain_object(box_part((0.04, 0.04, 0.04), centre)), c2w, FOVY_ZERO123, 128, supersample=2)
    weights = views.alpha[0] / views.alpha.sum()
    row, column = (weights.sum(1) @ (np.arange(128) + 0.5), weights.sum(0) @ (np.arange(128) + 0.5))
    pixel, depth = project(
        torch.tensor([centre], dtype=torch.float64), torch.from_numpy(c2w[0]), FOVY_ZERO123, 128, 128
    )
    assert (column, row) == pytest.approx(tuple(pixel[0].tolist()), abs=0.3)
    assert views.depth[0][views.alpha[0] == 255].mean() == pytest.approx(float(depth), abs=0.04)


def test_azimuth_zero_sees_the_front_with_positive_y_on_the_right() -> None:
    """From +x, looking along -x with z up, +y is to the right (right = forward × up = (-x) × z = y)."""
    pattern = TwoTone((0.0, 1.0, 0.0), 0.0)
    obj = plain_object(box_part((0.5, 0.8, 0.5), (0, 0, 0)), pattern)  # red for y < 0, blue for y > 0
    front, back = render(obj, poses([0.0, 180.0], [0.0, 0.0]), FOVY_ZERO123, 64, light=AMBIENT_ONLY).rgb
    assert front[32, 20].tolist() == [204, 51, 51]
    assert front[32, 44].tolist() == [51, 51, 204]
    assert back[32, 44].tolist() == [204, 51, 51]


def test_a_marker_on_the_positive_x_axis_is_in_the_middle_at_azimuth_zero() -> None:
    views = render(
        plain_object(box_part((0.02, 0.1, 0.1), (0.5, 0, 0))), poses([0.0, 180.0], [0.0, 0.0]), FOVY_ZERO123, 65, 1
    )
    assert views.depth[0, 32, 32] == pytest.approx(0.99, abs=1e-4)
    assert views.depth[1, 32, 32] == pytest.approx(1.99, abs=1e-4)


def test_up_is_up() -> None:
    obj = plain_object(box_part((0.5, 0.5, 0.8), (0, 0, 0)), TwoTone((0.0, 0.0, 1.0), 0.0))
    image = render(obj, poses([0.0], [0.0]), FOVY_ZERO123, 64, light=AMBIENT_ONLY).rgb[0]
    assert image[20, 32, 2] > 200
    assert image[44, 32, 0] > 200


def test_a_face_turned_to_the_light_has_ambient_plus_key() -> None:
    light = Light(ambient=0.4, key=0.3, key_direction=(1.0, 0.0, 0.0), fill=0.0)
    obj = plain_object(box_part((0.5, 0.5, 0.5), (0, 0, 0)))
    front, back = render(obj, poses([0.0, 180.0], [0.0, 0.0]), FOVY_ZERO123, 32, light=light).rgb[:, 16, 16, 0]
    assert (front, back) == (round(255 * 0.8 * 0.7), round(255 * 0.8 * 0.4))


def test_one_light_per_view() -> None:
    lights = [Light(ambient=0.2, key=0.0, fill=0.0), Light(ambient=0.8, key=0.0, fill=0.0)]
    obj = plain_object(box_part((0.5, 0.5, 0.5), (0, 0, 0)))
    rgb = render(obj, poses([0.0, 0.0], [0.0, 0.0]), FOVY_ZERO123, 32, light=lights).rgb[:, 16, 16, 0]
    assert rgb.tolist() == [round(255 * 0.8 * 0.2), round(255 * 0.8 * 0.8)]


def test_colour_at_the_silhouette_is_not_mixed_with_the_background() -> None:
    views = render(plain_object(ball_part(0.4)), poses([0.0], [0.0]), FOVY_ZERO123, 32, light=AMBIENT_ONLY)
    partly = (views.alpha > 0) & (views.alpha < 255)
    assert partly.any()
    assert (views.rgb[partly] == (204, 51, 51)).all()
    over = views.over(1.0)[partly].astype(float)
    alpha = views.alpha[partly, None] / 255
    np.testing.assert_allclose(over, np.array([204, 51, 51]) * alpha + 255 * (1 - alpha), atol=0.51)


def test_corner_normals_are_smooth_on_a_ball_and_sharp_on_a_box() -> None:
    ball, box = ball_part(0.5), box_part((1, 1, 1), (0, 0, 0))
    normals = corner_normals(ball.vertices, ball.faces)
    np.testing.assert_allclose(normals, ball.vertices[ball.faces] / 0.5, atol=4e-3)
    normals = corner_normals(box.vertices, box.faces)
    np.testing.assert_allclose(np.abs(normals).max(-1), 1, atol=1e-6)
    middle = box.vertices[box.faces].mean(1, keepdims=True)
    assert ((normals * middle).sum(-1) > 0).all()


def test_an_object_behind_or_beside_the_camera_is_not_drawn() -> None:
    c2w = poses([0.0], [0.0])
    c2w[0, :3, 3] = (1.5, 5.0, 0.0)
    assert render(plain_object(ball_part(0.4)), c2w, FOVY_ZERO123, 32).alpha.max() == 0
    c2w[0, :3, 3] = (-1.5, 0.0, 0.0)
    assert render(plain_object(ball_part(0.4)), c2w, FOVY_ZERO123, 32).alpha.max() == 0


def test_views_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    obj = plain_object(ball_part(0.4), TwoTone((1.0, 0.0, 0.0), 0.1))
    c2w = poses([0.0, 50.0, 100.0, 150.0, 200.0], [0.0, 10.0, 20.0, 30.0, 40.0])
    whole = render(obj, c2w, FOVY_ZERO123, 32)
    monkeypatch.setattr("viewdistill.objects.render.SAMPLES_PER_CHUNK", 2 * 64**2)
    parts = render(obj, c2w, FOVY_ZERO123, 32)
    assert np.array_equal(whole.rgba, parts.rgba)
    assert np.array_equal(whole.depth, parts.depth)
