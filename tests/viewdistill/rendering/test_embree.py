import numpy as np
import pytest
import trimesh

from viewdistill.rendering.embree import RAYS_PER_CAST, EmbreeScene

TRIANGLE = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
FACES = np.array([[0, 1, 2]])


def test_hit_distance_and_barycentrics_by_hand():
    hits = EmbreeScene(TRIANGLE, FACES).cast(
        np.array([[0.2, 0.3, 2.0], [0.9, 0.9, 2.0]]), np.array([[0.0, 0.0, -0.5], [0.0, 0.0, -0.5]])
    )
    assert hits.face.tolist() == [0, -1]
    assert hits.distance[0] == pytest.approx(4.0, rel=2e-7)  # processors round reciprocals differently
    assert np.isinf(hits.distance[1])
    np.testing.assert_allclose(hits.barycentric, [[0.5, 0.2, 0.3], [0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(hits.interpolate(FACES, TRIANGLE), [[0.2, 0.3, 0], [0, 0, 0]], atol=1e-6)


def test_both_sides_are_hit():
    scene = EmbreeScene(TRIANGLE, FACES)
    from_below = scene.cast(np.array([[0.2, 0.3, -1.0]]), np.array([[0.0, 0.0, 1.0]]))
    assert from_below.face.tolist() == [0]


def test_sphere_seen_from_outside_is_at_its_radius():
    sphere = trimesh.creation.icosphere(5, 0.5)
    directions = np.random.default_rng(0).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    hits = EmbreeScene(sphere.vertices, sphere.faces).cast(2 * directions, -directions)
    np.testing.assert_allclose(hits.distance, 1.5, atol=1e-3)
    points = hits.interpolate(sphere.faces, sphere.vertices)
    np.testing.assert_allclose(points, directions * (2 - hits.distance[:, None]), atol=1e-5)


def test_no_rays_and_no_faces_are_legal():
    scene = EmbreeScene(TRIANGLE, FACES)
    assert len(scene.cast(np.zeros((0, 3)), np.zeros((0, 3))).face) == 0
    empty = EmbreeScene(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    assert empty.cast(np.zeros((2, 3)), np.ones((2, 3))).face.tolist() == [-1, -1]


def test_more_rays_than_one_cast_takes():
    count = RAYS_PER_CAST + 5
    origins = np.tile(np.array([[0.2, 0.3, 2.0]], dtype=np.float32), (count, 1))
    origins[-1, :2] = 0.9
    hits = EmbreeScene(TRIANGLE, FACES).cast(origins, np.tile(np.array([[0.0, 0.0, -1.0]]), (count, 1)))
    assert hits.face[:-1].min() == 0
    assert hits.face[-1] == -1
