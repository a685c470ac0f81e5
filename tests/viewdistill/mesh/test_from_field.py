import numpy as np
import pytest
import torch
import trimesh

from tests.viewdistill.mesh import analytic_field
from viewdistill.cameras import FOVY_ZERO123
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.cleaning import CleaningSettings, component_of_face
from viewdistill.mesh.export import InputCamera, save_glb
from viewdistill.mesh.from_field import MeshSettings, mesh_from_field
from viewdistill.mesh.loading import load_mesh
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.turntable import ring
from viewdistill.metrics.winding import inside_grid

SETTINGS = MeshSettings(
    resolution=80, sweep_resolution=64, texture_size=256, cleaning=CleaningSettings(face_budget=4_000)
)


@pytest.fixture(scope="module")
def made():
    cameras = ring(6, 20.0)
    opacity = analytic_field.opacity(cameras, FOVY_ZERO123, 48)
    return mesh_from_field(analytic_field.density, analytic_field.color, 0.8, cameras, FOVY_ZERO123, opacity, SETTINGS)


def test_the_speck_and_the_hollow_are_gone_and_the_surface_is_closed(made):
    assert made.cleaning.floaters_removed == 1
    assert made.cleaning.cavities_filled == 1
    assert made.cleaning.watertight
    assert made.cleaning.faces_after <= 4_000
    assert len(made.mesh.faces) == made.cleaning.faces_after
    assert made.sweep.chosen.iou > 0.95
    assert len(made.sweep.candidates) > 8


def test_the_file_on_disk_is_the_solid_that_the_field_meant(made, tmp_path):
    save_glb(made.mesh, tmp_path / "object.glb", InputCamera(elevation=15.0))
    loaded = load_mesh(tmp_path / "object.glb")
    vertices, faces = loaded.vertices, loaded.faces
    welded = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)[1].reshape(-1)[faces]
    assert component_of_face(len(vertices), welded).max() == 0
    box = np.array([[-0.6] * 3, [0.6] * 3])
    inside = inside_grid(vertices, faces, box, 48)
    steps = (torch.arange(48) + 0.5) / 48 * 1.2 - 0.6
    points = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    filled = (analytic_field.signed_distance(points) < 0) | ((points - analytic_field.BALL).norm(dim=1) < 0.15)
    filled &= points[:, 2] < 0.45
    truth = filled.reshape(48, 48, 48).numpy()
    assert (inside & truth).sum() / (inside | truth).sum() > 0.9


def test_the_ball_is_blue_and_the_torus_red_from_where_they_are(made):
    views = render_mesh(made.mesh, ring(2, 0.0), FOVY_ZERO123, 96)
    covered = views.alpha > 0.99
    blue = covered & (views.rgb[..., 2] > 0.6)
    red = covered & (views.rgb[..., 0] > 0.6)
    # Only at the seam do texels mix.
    assert (blue | red)[covered].mean() > 0.99
    assert not (blue & red).any()
    # The ball sits in front: larger in the front view, partly hidden by the torus behind.
    assert blue[0].sum() > 1.5 * blue[1].sum() > 0
    front_rows = np.nonzero(blue[0])[0]
    assert front_rows.mean() < 48, "the ball is in the upper half"


def test_the_same_field_gives_the_same_mesh(made):
    cameras = ring(6, 20.0)
    opacity = analytic_field.opacity(cameras, FOVY_ZERO123, 48)
    again = mesh_from_field(analytic_field.density, analytic_field.color, 0.8, cameras, FOVY_ZERO123, opacity, SETTINGS)
    np.testing.assert_array_equal(made.mesh.vertices, again.mesh.vertices)
    np.testing.assert_array_equal(made.mesh.uvs, again.mesh.uvs)
    np.testing.assert_array_equal(made.mesh.texture, again.mesh.texture)


def test_an_empty_field_stops_with_a_line_to_read():
    cameras = ring(2, 0.0)
    nothing = lambda points: torch.zeros(len(points))  # noqa: E731
    with pytest.raises(ViewDistillError, match="empty"):
        mesh_from_field(nothing, analytic_field.color, 0.8, cameras, FOVY_ZERO123, torch.ones(2, 8, 8), SETTINGS)


def test_analytic_volume_check_of_trimesh_agrees(made):
    welded = trimesh.Trimesh(made.mesh.vertices, made.mesh.faces, process=False)
    welded.merge_vertices(merge_tex=True, merge_norm=True)
    assert welded.volume == pytest.approx(made.cleaning.volume, rel=1e-4)
    assert welded.is_watertight
