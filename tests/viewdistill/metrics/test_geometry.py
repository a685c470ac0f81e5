import numpy as np
import pytest
import trimesh

from viewdistill.errors import ViewDistillError
from viewdistill.metrics.geometry import geometry_scores, sample_surface, volume_iou

NO_FACES = np.zeros((0, 3), dtype=np.int64)


def arrays(mesh):
    return np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64)


def test_samples_lie_on_the_surface_and_follow_area():
    # Two triangles, one with four times the area of the other.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 5], [2, 0, 5], [0, 2, 5.0]])
    samples = sample_surface(vertices, np.array([[0, 1, 2], [3, 4, 5]]), 20_000, seed=3)
    top = samples.points[:, 2] == 5
    assert set(np.unique(samples.points[:, 2])) == {0.0, 5.0}
    assert top.mean() == pytest.approx(0.8, abs=0.02)
    np.testing.assert_allclose(samples.normals, np.tile([[0, 0, 1.0]], (20_000, 1)))
    np.testing.assert_allclose(samples.points[top, :2].mean(0), [2 / 3, 2 / 3], atol=0.02)
    assert (samples.points[top, 0] + samples.points[top, 1] <= 2).all()


def test_sphere_in_sphere():
    small, large = arrays(trimesh.creation.icosphere(5, 0.4)), arrays(trimesh.creation.icosphere(5, 0.5))
    scores = geometry_scores(*small, *large, samples=30_000, resolution=64)
    assert scores.chamfer == pytest.approx(0.1, abs=0.001)
    assert scores.f_score_001 == scores.f_score_002 == 0.0
    assert scores.normal_consistency > 0.995
    assert scores.volume_iou == pytest.approx(0.8**3, abs=0.01)


def test_chamfer_and_f_score_against_brute_force():
    first, second = trimesh.creation.icosphere(2, 0.5), trimesh.creation.box(extents=(0.9, 0.8, 0.7))
    scores = geometry_scores(*arrays(first), *arrays(second), samples=1_000, resolution=8, seed=5)
    a = sample_surface(*arrays(first), 1_000, seed=5)
    b = sample_surface(*arrays(second), 1_000, seed=6)
    distance = np.linalg.norm(a.points[:, None] - b.points[None], axis=-1)
    assert scores.chamfer == pytest.approx(0.5 * (distance.min(1).mean() + distance.min(0).mean()), rel=1e-9)
    precision, recall = (distance.min(1) < 0.02).mean(), (distance.min(0) < 0.02).mean()
    assert scores.f_score_002 == pytest.approx(2 * precision * recall / (precision + recall), rel=1e-9)
    cosine = np.abs(a.normals @ b.normals.T)
    expected = 0.5 * (
        cosine[np.arange(1_000), distance.argmin(1)].mean() + cosine[distance.argmin(0), np.arange(1_000)].mean()
    )
    assert scores.normal_consistency == pytest.approx(expected, rel=1e-9)


def test_a_mesh_against_itself():
    torus = arrays(trimesh.creation.torus(0.35, 0.12))
    scores = geometry_scores(*torus, *torus, samples=50_000, resolution=32)
    assert scores.chamfer < 0.004
    assert scores.f_score_001 > 0.99
    assert scores.volume_iou == 1.0


@pytest.mark.parametrize("shift", [0.1, 0.25])
def test_shifted_cube_iou_by_hand(shift):
    cube, moved = trimesh.creation.box(), trimesh.creation.box()
    moved.apply_translation([shift, 0, 0])
    iou = volume_iou(*arrays(cube), *arrays(moved), resolution=100)
    assert iou == pytest.approx((1 - shift) / (1 + shift), abs=0.02)


def test_iou_in_a_given_box():
    cube = arrays(trimesh.creation.box())
    half = trimesh.creation.box(extents=(1, 1, 0.5))
    box = np.array([[-1.0, -1, -1], [1, 1, 1]])
    assert volume_iou(*arrays(half), *cube, resolution=64, box=box) == pytest.approx(0.5)


def test_an_empty_prediction_is_the_worst_and_an_empty_truth_an_error():
    sphere = arrays(trimesh.creation.icosphere(2, 0.5))
    scores = geometry_scores(np.zeros((0, 3)), NO_FACES, *sphere, samples=100, resolution=8)
    assert np.isinf(scores.chamfer)
    assert (scores.f_score_001, scores.f_score_002, scores.normal_consistency, scores.volume_iou) == (0, 0, 0, 0)
    with pytest.raises(ViewDistillError, match="no surface"):
        geometry_scores(*sphere, np.zeros((0, 3)), NO_FACES)
    assert volume_iou(np.zeros((0, 3)), NO_FACES, *sphere) == 0.0


def test_the_seed_decides_the_samples():
    sphere = arrays(trimesh.creation.icosphere(2, 0.5))
    first, again, other = (sample_surface(*sphere, 50, seed).points for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
