import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.posed_views import (
    CAMERAS_FILE,
    ViewCamera,
    load_cameras,
    load_views,
    save_cameras,
    save_view,
    straight_rgba,
)
from viewdistill.errors import ViewDistillError

CAMERAS = [ViewCamera(0.0, 20.0), ViewCamera(90.0, -10.0, distance=2.0, fovy_deg=40.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two views: red, and half-transparent green."""
    for index, color in enumerate(((255, 0, 0, 255), (0, 255, 0, 128))):
        save_view(tmp_path, index, np.full((4, 4, 4), color, np.uint8))
    save_cameras(tmp_path, CAMERAS)
    return tmp_path


def test_views_come_back_with_their_cameras(folder: Path) -> None:
    views = load_views(folder)
    assert list(views.cameras) == CAMERAS
    assert views.rgba[0, :, 0, 0].tolist() == [1, 0, 0, 1]
    assert views.over_white[1, :, 0, 0].tolist() == pytest.approx([127 / 255, 1, 127 / 255])
    # At azimuth 90 the camera stands on +y, and below the plane.
    assert views.c2w[1, :3, 3].tolist() == pytest.approx(
        [0, 2 * np.cos(np.deg2rad(10)), -2 * np.sin(np.deg2rad(10))], abs=1e-6
    )


def test_the_file_states_the_matrices(folder: Path) -> None:
    content = json.loads((folder / CAMERAS_FILE).read_text())
    assert [view["file"] for view in content["views"]] == ["000.png", "001.png"]
    assert content["views"][1]["c2w"] == CAMERAS[1].c2w.tolist()


def test_the_relative_pose_is_that_of_zero123() -> None:
    pose = CAMERAS[1].pose_from(CAMERAS[0])
    assert pose.tolist() == pytest.approx([np.deg2rad(30), 1, 0, 0.5], abs=1e-6)


def test_straight_colour_over_white_is_the_rendered_one() -> None:
    rendered = torch.tensor([[[0.75, 0.5, 0.5]]])
    rgba = straight_rgba(rendered, torch.tensor([[0.5]]))
    assert rgba.tolist() == [[[128, 0, 0, 128]]]
    assert straight_rgba(torch.ones(1, 1, 3), torch.zeros(1, 1)).tolist() == [[[0, 0, 0, 0]]]


def test_a_folder_without_its_cameras_is_not_complete(folder: Path) -> None:
    (folder / CAMERAS_FILE).unlink()
    with pytest.raises(ViewDistillError, match="run the stage that writes it again"):
        load_views(folder)


@pytest.mark.parametrize(
    "damage", [{"distance": 0.0}, {"fovy_deg": 180.0}, {"azimuth_deg": None}, {"elevation_deg": float("nan")}]
)
def test_a_senseless_camera_is_named(folder: Path, damage: dict[str, float]) -> None:
    content = json.loads((folder / CAMERAS_FILE).read_text())
    content["views"][0] |= damage
    (folder / CAMERAS_FILE).write_text(json.dumps(content))
    with pytest.raises(ViewDistillError, match="run the stage that writes it again"):
        load_cameras(folder)


def test_views_of_several_sizes_are_refused(folder: Path) -> None:
    save_view(folder, 2, np.zeros((2, 2, 4), np.uint8))
    save_cameras(folder, [*CAMERAS, replace(CAMERAS[0], azimuth_deg=5.0)])
    with pytest.raises(ViewDistillError, match="different sizes"):
        load_views(folder)
