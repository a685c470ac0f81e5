import math

import numpy as np
import pytest
import torch
import trimesh

from viewdistill.cameras import rays
from viewdistill.mesh.turntable import ring
from viewdistill.metrics.geometry import SurfaceSamples, TriangleMesh
from viewdistill.metrics.visible import depth_samples, downsample, visible_samples
from viewdistill.rendering.embree import EmbreeScene

FOVY = 49.134


def shape_of(mesh) -> TriangleMesh:
    return TriangleMesh(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))


def test_downsample_against_a_slow_loop():
    random = np.random.default_rng(0)
    points = random.random((500, 3)) * [0.1, 0.05, 0.02] - 0.03
    normals = random.normal(size=(500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    found = downsample(SurfaceSamples(points, normals), 0.01)
    cells: dict[tuple[int, ...], list[int]] = {}
    lowest = points.min(0) - 0.005
    for index, point in enumerate(points):
        cells.setdefault(tuple(math.floor(x / 0.01) for x in point - lowest), []).append(index)
    expected = sorted(
        (points[members].mean(0).tolist(), normals[members].sum(0).tolist()) for members in cells.values()
    )
    order = np.lexsort(found.points.T[::-1])
    np.testing.assert_allclose(found.points[order], [point for point, _ in expected], atol=1e-12)
    sums = np.array([normal for _, normal in expected])
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_allclose(found.normals[order], sums, atol=1e-9)


def test_what_cameras_see_of_a_sphere():
    c2w = ring(16, 30.0)
    seen = visible_samples(shape_of(trimesh.creation.icosphere(5, 0.5)), c2w, [FOVY] * 16, 256)
    np.testing.assert_allclose(np.linalg.norm(seen.points, axis=1), 0.5, atol=1e-3)
    # A camera at distance d sees the cap of half-angle acos(r / d); in its own meridian it reaches lowest.
    lowest = math.degrees(math.acos(0.5 / 1.5)) - 30
    assert seen.points[:, 2].min() == pytest.approx(-0.5 * math.sin(math.radians(lowest)), abs=0.01)
    assert seen.points[:, 2].max() == pytest.approx(0.5, abs=0.002)
    assert ((seen.normals * seen.points).sum(1) > 0.49).all()
    cells = np.floor((seen.points - seen.points.min(0)) / 0.01)
    assert len(np.unique(cells, axis=0)) > 0.6 * len(seen.points) > 3000


def test_normals_face_the_camera_whatever_the_order_of_the_corners():
    sphere = shape_of(trimesh.creation.icosphere(3, 0.5))
    turned = TriangleMesh(sphere.vertices, sphere.faces[:, ::-1])
    seen = visible_samples(turned, ring(2, 0.0), [FOVY] * 2, 32)
    assert ((seen.normals * seen.points).sum(1) > 0.4).all()


def test_depth_maps_give_the_points_of_the_mesh():
    box = shape_of(trimesh.creation.box(extents=(0.6, 0.5, 0.4)))
    c2w, size = ring(3, 20.0), 40
    scene = EmbreeScene(*box)
    origins, directions = rays(c2w, FOVY, size, size)
    hits = scene.cast(origins.reshape(-1, 3).numpy(), directions.reshape(-1, 3).numpy())
    axis = -c2w[:, :3, 2][:, None, None]
    depth = torch.from_numpy(hits.distance).reshape(3, size, size) * (directions * axis).sum(-1)
    depth = np.where(np.isfinite(depth.numpy()), depth.numpy(), 0.0).astype(np.float64)
    found = depth_samples(depth, c2w, [FOVY] * 3, voxel=0.02)
    expected = visible_samples(box, c2w, [FOVY] * 3, size, voxel=0.02)
    assert len(found.points) == pytest.approx(len(expected.points), rel=0.02)
    distance = np.linalg.norm(found.points[:, None] - expected.points[None], axis=-1)
    assert np.quantile(distance.min(1), 0.95) < 1e-4
    assert np.isnan(found.normals).all()


def test_a_camera_that_sees_nothing():
    far = TriangleMesh(np.array([[9.0, 0, 0], [9, 1, 0], [9, 0, 1]]), np.array([[0, 1, 2]]))
    assert len(visible_samples(far, ring(1, 0.0), [FOVY], 8).points) == 0
    assert len(depth_samples(np.zeros((1, 8, 8)), ring(1, 0.0), [FOVY]).points) == 0
