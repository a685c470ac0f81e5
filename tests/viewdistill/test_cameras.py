"""The camera conventions, by hand-worked cameras and by reprojection."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viewdistill.cameras import FOVY_ZERO123, focal_length, look_at, project, rays, relative_pose, spherical_from_c2w


def camera(azimuth: float, elevation: float, distance: float = 1.5) -> torch.Tensor:
    return look_at(*(torch.tensor(value, dtype=torch.float64) for value in (azimuth, elevation, distance)))


def test_front_camera_by_hand():
    c2w = camera(0, 0)
    # On +x, looking along -x: right is +y, up is +z, backward is +x.
    expected = [[0, 0, 1, 1.5], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    torch.testing.assert_close(c2w, torch.tensor(expected, dtype=torch.float64))


def test_azimuth_goes_from_x_to_y_and_elevation_up():
    torch.testing.assert_close(camera(90, 0)[:3, 3], torch.tensor([0.0, 1.5, 0.0], dtype=torch.float64))
    half = 1.5 * math.sqrt(0.5)
    torch.testing.assert_close(camera(0, 45)[:3, 3], torch.tensor([half, 0.0, half], dtype=torch.float64))


@settings(max_examples=60, deadline=None)
@given(st.floats(-179.9, 179.9), st.floats(-90, 90), st.floats(0.5, 5))
def test_cameras_are_rotations_that_look_at_the_origin(azimuth: float, elevation: float, distance: float):
    c2w = camera(azimuth, elevation, distance)
    rotation = c2w[:3, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(rotation) == pytest.approx(1)
    pixel, depth = project(torch.zeros(1, 3, dtype=torch.float64), c2w, FOVY_ZERO123, 64, 64)
    torch.testing.assert_close(pixel, torch.full((1, 2), 32.0, dtype=torch.float64))
    assert depth.item() == pytest.approx(distance)


@settings(max_examples=60, deadline=None)
@given(st.floats(-179.9, 179.9), st.floats(-89, 89), st.floats(0.5, 5))
def test_spherical_coordinates_come_back(azimuth: float, elevation: float, distance: float):
    found = [float(value) for value in spherical_from_c2w(camera(azimuth, elevation, distance))]
    assert found == pytest.approx([azimuth, elevation, distance], abs=1e-6)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (37, 20), (-120, -35), (200, 80), (10, 90)])
def test_a_point_along_a_ray_projects_to_its_pixel(azimuth: float, elevation: float):
    height, width = 6, 10
    c2w = camera(azimuth, elevation)
    origins, directions = rays(c2w[None], FOVY_ZERO123, height, width)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(1, height, width, dtype=torch.float64))
    points = (origins + 1.3 * directions).reshape(-1, 3)
    pixels, depth = project(points, c2w, FOVY_ZERO123, height, width)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    expected = torch.stack([columns, rows], -1).reshape(-1, 2).double() + 0.5
    torch.testing.assert_close(pixels, expected)
    assert (depth > 0).all()


def test_row_zero_is_the_top_and_column_zero_the_left():
    _, directions = rays(camera(0, 0)[None], 90.0, 4, 4)
    assert (directions[0, 0, :, 2] > 0).all()
    assert (directions[0, :, 0, 1] < 0).all()  # right of the front camera is +y


def test_vertical_field_of_view_spans_the_height():
    # A point at the upper edge of the view: half the height of the image at depth 1.5 is 1.5 tan(fovy / 2).
    height = 1.5 * math.tan(math.radians(FOVY_ZERO123 / 2))
    pixel, _ = project(torch.tensor([[0.0, 0.0, height]]), camera(0, 0).float(), FOVY_ZERO123, 32, 48)
    torch.testing.assert_close(pixel, torch.tensor([[24.0, 0.0]]))
    assert focal_length(90.0, 64) == pytest.approx(32)


def test_relative_pose_of_two_cameras_by_hand():
    def pose(*values: float) -> list[float]:
        return relative_pose(*(torch.tensor(value, dtype=torch.float64) for value in values)).tolist()

    # Input at azimuth 10, elevation 30, distance 1.5; target at azimuth 100, elevation -15, distance 2: the camera
    # moves a quarter turn towards +y, down by 45 degrees (positive) and back by 0.5.
    assert pose(10, 30, 1.5, 100, -15, 2.0) == pytest.approx([math.pi / 4, 1.0, 0.0, 0.5])
    # The way back has the opposite signs, but for the cosine.
    assert pose(100, -15, 2.0, 10, 30, 1.5) == pytest.approx([-math.pi / 4, -1.0, 0.0, -0.5])
    assert pose(350, 0, 1.5, 20, 0, 1.5) == pytest.approx([0.0, 0.5, math.sqrt(0.75), 0.0])
