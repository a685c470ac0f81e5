import numpy as np
import pytest
import trimesh

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.cleaning import CleaningSettings, clean_mesh, component_of_face, is_watertight, signed_volume
from viewdistill.mesh.extraction import DensityGrid, marching_cubes

ROUGH = CleaningSettings(smoothing_steps=0)


def sphere(radius=0.5, centre=(0, 0, 0), subdivisions=3) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions, radius)
    mesh.apply_translation(centre)
    return mesh


def clean(mesh, settings=ROUGH):
    return clean_mesh(np.array(mesh.vertices), np.array(mesh.faces), settings)


def test_a_clean_mesh_stays_as_it_is():
    mesh = sphere()
    vertices, faces, report = clean(mesh)
    assert len(faces) == len(mesh.faces)
    assert report.watertight
    assert report.volume == pytest.approx(mesh.volume, rel=1e-5)
    assert (report.floaters_removed, report.cavities_filled) == (0, 0)
    assert (vertices.dtype, faces.dtype) == (np.float32, np.int64)


def test_specks_go_and_other_large_parts_stay():
    parts = sphere() + sphere(0.4, (1.5, 0, 0)) + sphere(0.02, (0, 0, 1), 0)
    vertices, faces, report = clean(parts)
    assert report.floaters_removed == 1
    assert component_of_face(len(vertices), faces).max() == 1
    assert vertices[:, 2].max() < 0.6


def test_the_largest_part_stays_however_small_its_share():
    many = trimesh.util.concatenate([sphere(0.1, (i, 0, 0), 0) for i in range(8)])
    assert isinstance(many, trimesh.Trimesh)
    _, faces, report = clean(many, CleaningSettings(smallest_component=0.5, smoothing_steps=0))
    assert report.floaters_removed == 7
    assert len(faces) == 20


@pytest.mark.parametrize("inside_out", [False, True])
def test_closed_hollows_are_filled(inside_out):
    hollow = sphere(0.3)
    hollow.invert()
    mesh = sphere() + hollow
    if inside_out:
        mesh.invert()
    vertices, faces, report = clean(mesh)
    assert report.cavities_filled == 1
    assert report.volume == pytest.approx(sphere().volume, rel=1e-4)
    assert signed_volume(vertices, faces) > 0
    kept = clean(mesh, CleaningSettings(fill_cavities=False, smoothing_steps=0))[2]
    assert kept.cavities_filled == 0


def test_a_hollow_with_an_opening_stays_and_the_mesh_is_closed_and_printable():
    # A ball of radius 0.5 with a ball of radius 0.3 taken out, and a shaft of radius 0.06 to the top.
    steps = np.linspace(-0.6, 0.6, 60)
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    from_centre = np.linalg.norm(points, axis=-1)
    shaft = np.where(points[..., 2] > 0, np.hypot(points[..., 0], points[..., 1]) - 0.06, 1.0)
    inside = np.minimum(0.5 - from_centre, np.minimum(from_centre - 0.3, shaft))
    box = np.array([[-0.6] * 3, [0.6] * 3])
    _, faces, report = clean_mesh(*marching_cubes(DensityGrid(inside, box), 0.0), CleaningSettings(face_budget=6_000))
    assert report.cavities_filled == 0
    assert report.watertight
    assert component_of_face(int(faces.max()) + 1, faces).max() == 0
    hollow = 4 / 3 * np.pi * (0.5**3 - 0.3**3)
    assert report.volume == pytest.approx(hollow, rel=0.04)


def test_holes_are_closed():
    mesh = sphere()
    keep = np.linalg.norm(mesh.triangles_center - [0, 0, 0.5], axis=1) > 0.15
    assert not is_watertight(np.array(mesh.faces[keep]))
    _, faces, report = clean_mesh(np.array(mesh.vertices), np.array(mesh.faces[keep]), ROUGH)
    assert report.watertight
    assert is_watertight(faces)
    assert report.volume == pytest.approx(mesh.volume, rel=0.05)


def test_non_manifold_fins_duplicates_and_degenerate_faces_go():
    mesh = sphere(subdivisions=2)
    vertices = np.concatenate([mesh.vertices, [[0, 0, 2.0], [np.nan, 0, 0]]])
    a, b, c = mesh.faces[0]
    dirt = np.array([[a, b, len(mesh.vertices)], [a, b, c], [a, a, b], [a, b, len(vertices) - 1]])
    out, faces, report = clean_mesh(vertices, np.concatenate([mesh.faces, dirt]), ROUGH)
    assert report.watertight
    assert np.isfinite(out).all()
    assert out[:, 2].max() < 0.6
    assert len(faces) == pytest.approx(len(mesh.faces), abs=6)


def test_a_soup_of_unshared_corners_is_welded():
    mesh = sphere(subdivisions=2)
    soup = np.array(mesh.triangles).reshape(-1, 3)
    vertices, _, report = clean_mesh(soup, np.arange(len(soup)).reshape(-1, 3), ROUGH)
    assert len(vertices) == len(mesh.vertices)
    assert report.watertight


def test_the_face_budget_is_kept_and_the_shape_with_it():
    mesh = sphere(subdivisions=5)
    _, faces, report = clean(mesh, CleaningSettings(face_budget=1_000))
    assert 900 < len(faces) <= 1_000
    assert report.watertight
    assert report.volume == pytest.approx(mesh.volume, rel=0.02)


def test_smoothing_calms_noise_and_keeps_the_volume():
    mesh = sphere(subdivisions=4)
    noisy = np.array(mesh.vertices) * (1 + 0.02 * np.random.default_rng(0).normal(size=(len(mesh.vertices), 1)))
    smooth = clean_mesh(noisy, np.array(mesh.faces), CleaningSettings(smoothing_steps=10))[0]
    assert np.linalg.norm(smooth, axis=1).std() < 0.5 * np.linalg.norm(noisy, axis=1).std()
    assert np.linalg.norm(smooth, axis=1).mean() == pytest.approx(0.5, rel=0.01)


def test_no_faces_is_an_error_that_says_what_to_try():
    with pytest.raises(ViewDistillError, match="no triangles"):
        clean_mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    with pytest.raises(ViewDistillError, match="no triangles"):
        clean_mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))


def test_watertight_needs_opposite_directions():
    tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    assert is_watertight(tetrahedron)
    assert not is_watertight(tetrahedron[:3])
    flipped = tetrahedron.copy()
    flipped[0] = flipped[0][::-1]
    assert not is_watertight(flipped)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    assert signed_volume(corners, tetrahedron) == pytest.approx(1 / 6)
