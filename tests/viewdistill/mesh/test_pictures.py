import io
import subprocess
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from viewdistill.cameras import FOVY_ZERO123, project
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.baking import texture_mesh
from viewdistill.mesh.contact_sheet import GAP, LABEL_HEIGHT, contact_sheet, grid
from viewdistill.mesh.raster import AMBIENT, CLAY, render_each, render_mesh, silhouettes
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.mesh.turntable import ring, write_turntable
from viewdistill.mesh.video import first_frame, write_video


@pytest.fixture(scope="module")
def mesh():
    """A ball of radius 0.4, red in front (+x half) and blue behind."""
    ball = trimesh.creation.icosphere(4, 0.4)
    red_or_blue = lambda points: torch.where(points[:, :1] > 0, torch.eye(3)[0], torch.eye(3)[2])  # noqa: E731
    return texture_mesh(np.array(ball.vertices), np.array(ball.faces), red_or_blue, 256)


def test_front_and_back_have_their_colours_depth_and_normals(mesh):
    views = render_mesh(mesh, ring(2, 0.0), FOVY_ZERO123, 65, supersample=1)
    np.testing.assert_allclose(views.rgb[0, 32, 32], [1, 0, 0], atol=0.01)
    np.testing.assert_allclose(views.rgb[1, 32, 32], [0, 0, 1], atol=0.01)
    np.testing.assert_allclose(views.depth[:, 32, 32], 1.1, atol=2e-3)
    np.testing.assert_allclose(views.normals[:, 32, 32], [[1, 0, 0], [-1, 0, 0]], atol=0.02)
    np.testing.assert_array_equal(views.rgb[:, 0, 0], 1)
    assert (views.alpha[:, 0, 0] == 0).all()
    assert (views.depth[:, 0, 0] == 0).all()
    # Silhouette of a ball: the cone that touches it.
    radius = 0.4 / np.sqrt(1.5**2 - 0.4**2) * 65 / 2 / np.tan(np.radians(FOVY_ZERO123 / 2))
    assert views.alpha[0].sum() == pytest.approx(np.pi * radius**2, rel=0.03)


def test_depth_is_along_the_viewing_axis():
    # A plane square to the camera has one depth all over.
    vertices = np.array([[0.3, -2, -2], [0.3, 2, -2], [0.3, 2, 2], [0.3, -2, 2]], dtype=np.float32)
    normals = np.tile(np.array([[1.0, 0, 0]], dtype=np.float32), (4, 1))
    plane = TexturedMesh(
        vertices,
        np.array([[0, 1, 2], [0, 2, 3]]),
        np.zeros((4, 2), np.float32),
        np.full((2, 2, 3), 255, np.uint8),
        normals,
    )
    views = render_mesh(plane, ring(1, 0.0), FOVY_ZERO123, 8)
    np.testing.assert_allclose(views.depth, 1.2, atol=1e-5)
    assert (views.alpha == 1).all()


def test_pixels_agree_with_the_projection(mesh):
    cameras = ring(3, 25.0)
    # The seam between red and blue, seen from the side, runs where its points project to.
    views = render_mesh(mesh, cameras, FOVY_ZERO123, 128, supersample=1)
    point = torch.tensor([[0.4 * np.cos(0.1), 0.4 * np.sin(0.1), 0.0]], dtype=torch.float32)
    pixel, depth = project(point, cameras[0], FOVY_ZERO123, 128, 128)
    column, row = pixel[0].long().tolist()
    assert views.depth[0, row, column] == pytest.approx(depth.item(), abs=0.01)


def test_shading_and_clay_by_hand(mesh):
    centre = render_mesh(mesh, ring(1, 0.0), FOVY_ZERO123, 33, shaded=True, textured=False).rgb[0, 16, 16]
    np.testing.assert_allclose(centre, CLAY, atol=0.01)
    edge = render_mesh(mesh, ring(1, 0.0), FOVY_ZERO123, 129, supersample=1, shaded=True, textured=False)
    shades = edge.rgb[0][edge.alpha[0] == 1]
    assert shades.min() == pytest.approx(CLAY * AMBIENT, abs=0.12)


def test_supersampling_smooths_the_rim(mesh):
    hard = render_mesh(mesh, ring(1, 0.0), FOVY_ZERO123, 32, supersample=1).alpha
    soft = render_mesh(mesh, ring(1, 0.0), FOVY_ZERO123, 32, supersample=3).alpha
    assert set(np.unique(hard)) == {0.0, 1.0}
    np.testing.assert_allclose(np.unique(np.round(soft * 9)), np.round(np.unique(soft * 9), 4), atol=1e-3)
    assert len(np.unique(soft)) > 4


def test_no_faces_and_no_cameras_are_legal(mesh):
    nothing = TexturedMesh(
        np.zeros((0, 3), np.float32),
        np.zeros((0, 3), np.int64),
        np.zeros((0, 2), np.float32),
        mesh.texture,
        np.zeros((0, 3), np.float32),
    )
    views = render_mesh(nothing, ring(2, 0.0), FOVY_ZERO123, 8)
    assert (views.rgb == 1).all()
    assert render_mesh(mesh, ring(0, 0.0), FOVY_ZERO123, 8).rgb.shape == (0, 8, 8, 3)
    assert len(list(render_each(mesh, ring(3, 0.0), FOVY_ZERO123, 8))) == 3


def test_the_turntable_plays(mesh, tmp_path):
    path = tmp_path / "turntable.mp4"
    write_turntable(mesh, path, frames=6, turns=2, fps=12, size=64)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True)
    stream = next(line for line in decoded.stderr.decode().splitlines() if "Video:" in line)
    assert all(part in stream for part in ("h264", "yuv420p", "64x64", "12 fps")), stream
    frames = np.frombuffer(decoded.stdout, np.uint8).reshape(-1, 64, 64, 3)
    assert len(frames) == 12
    assert frames[0][32, 32].argmax() == 0, "the first frame shows the front"
    assert frames[3][32, 32].argmax() == 2, "half a turn on, the back"
    assert frames[9][32, 32].argmax() == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["turntable.mp4"]


def test_the_same_frames_give_the_same_video(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (4, 32, 48, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, iter(frames), (48, 32))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with pytest.raises(ViewDistillError, match="even"):
        write_video(tmp_path / "c.mp4", iter(frames), (47, 32))


def test_grid_places_pictures_in_rows_and_columns():
    red, blue = np.zeros((10, 20, 3), np.uint8), np.zeros((10, 20, 3), np.float32)
    red[..., 0], blue[..., 2] = 255, 1.0
    sheet = grid([[red, blue], [None, red]])
    assert sheet.shape == (2 * 10 + 3 * GAP, 2 * 20 + 3 * GAP, 3)
    assert sheet[GAP, GAP].tolist() == [255, 0, 0]
    assert sheet[GAP, GAP + 20 + GAP].tolist() == [0, 0, 255]
    assert sheet[GAP + 10 + GAP, GAP].tolist() == [255, 255, 255]
    labelled = grid([[red, blue]], ["a row"], ["left", "right"])
    assert labelled.shape[0] == LABEL_HEIGHT + 10 + 2 * GAP
    assert (labelled[:LABEL_HEIGHT] < 100).any()


def test_grid_refuses_what_does_not_fit():
    small, large = np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="one size"):
        grid([[small, large]])
    with pytest.raises(ValueError, match="none"):
        grid([[None]])
    with pytest.raises(ValueError, match="labels"):
        grid([[small]], ["a", "b"])


def test_contact_sheet_shows_the_input_and_eight_views(mesh, tmp_path):
    path = tmp_path / "contact_sheet.png"
    contact_sheet(mesh, np.full((20, 20, 3), [0, 255, 0], np.uint8), path, elevation=10.0, size=32)
    sheet = np.asarray(Image.open(path))
    row = LABEL_HEIGHT + GAP + 16
    left = sheet.shape[1] - 9 * (32 + GAP) - GAP + GAP
    middles = [sheet[row, left + j * (32 + GAP) + 16].tolist() for j in range(9)]
    assert middles[0] == [0, 255, 0]
    assert int(np.argmax(middles[1])) == 0
    assert int(np.argmax(middles[5])) == 2


@pytest.mark.parametrize("centre", [(0.0, 0.0, 0.0), (0.1, 0.5, -0.4), (0.0, 3.0, 0.0), (1.4, 0.1, 0.0)])
def test_leaving_out_rays_that_must_miss_changes_nothing(mesh, centre):
    moved = replace(mesh, vertices=mesh.vertices * np.float32(0.5) + np.array(centre, dtype=np.float32))
    cameras = ring(3, 10.0)
    alpha = render_mesh(moved, cameras, FOVY_ZERO123, 40, supersample=1).alpha
    np.testing.assert_array_equal(alpha == 1, silhouettes(moved.vertices, moved.faces, cameras, FOVY_ZERO123, 40))


def test_the_first_frame_of_a_video_is_had_as_a_picture_and_of_what_is_none_nothing(tmp_path: Path) -> None:
    frames = [np.full((16, 32, 3), grey, np.uint8) for grey in (200, 20)]
    write_video(tmp_path / "film.mp4", frames, (32, 16))
    found = first_frame(tmp_path / "film.mp4")
    assert found is not None
    with Image.open(io.BytesIO(found)) as picture:
        assert picture.size == (32, 16)
        assert abs(int(np.asarray(picture.convert("L")).mean()) - 200) < 6
    (tmp_path / "none.mp4").write_bytes(b"film")
    assert first_frame(tmp_path / "none.mp4") is None
