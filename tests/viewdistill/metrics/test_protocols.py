"""The named protocols on shapes whose answers are known."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation
from trimesh.registration import procrustes

from viewdistill.cameras import focal_length
from viewdistill.errors import ViewDistillError
from viewdistill.metrics.alignment import Similarity, align
from viewdistill.metrics.geometry import TriangleMesh, sample_surface, volume_iou
from viewdistill.metrics.protocols import (
    PROTOCOLS,
    RIG_BOX,
    RIG_RESOLUTION,
    RIG_SIZE,
    rig,
    surface,
    surface_aligned,
    syncdreamer,
)
from viewdistill.metrics.winding import inside_grid

EMPTY = TriangleMesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))


def shape_of(mesh) -> TriangleMesh:
    return TriangleMesh(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))


def sphere(radius=0.5, detail=4):
    return trimesh.creation.icosphere(detail, radius)


def moved(shape: TriangleMesh, scale: float, turn: Rotation, shift: list[float]) -> TriangleMesh:
    return TriangleMesh(scale * shape.vertices @ turn.as_matrix().T + shift, shape.faces)


def corner() -> TriangleMesh:
    """Three boxes that have no symmetry."""
    parts = [trimesh.creation.box(extents=e) for e in ((0.9, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.35))]
    for part, place in zip(parts, ((0.0, 0, 0), (0.35, 0.3, 0), (-0.35, 0, 0.25)), strict=True):
        part.apply_translation(place)
    return shape_of(trimesh.util.concatenate(parts))


def test_the_rig_is_syncdreamers():
    poses = rig().double().numpy()
    assert poses.shape == (16, 4, 4)
    centres = poses[:, :3, 3]
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1.5, atol=1e-6)
    np.testing.assert_allclose(centres[:, 2], 0.75, atol=1e-6)
    azimuth = np.rad2deg(np.arctan2(centres[:, 1], centres[:, 0])) % 360
    np.testing.assert_allclose(azimuth, np.arange(16) * 22.5, atol=1e-4)
    assert focal_length(49.134, RIG_SIZE) == pytest.approx(280, abs=0.01)


def test_sphere_in_sphere_under_syncdreamer():
    found = syncdreamer(shape_of(sphere(0.4)), shape_of(sphere(0.5)))
    # Every visible place of the one is radially opposite a visible place of the other, but for a narrow rim below.
    assert found.scores.chamfer == pytest.approx(0.1, abs=0.002)
    assert found.scores.volume_iou == pytest.approx(0.8**3, abs=0.01)
    assert found.scores.f_score_002 == 0
    assert found.scores.normal_consistency > 0.99
    assert (found.protocol, found.iou_resolution) == ("syncdreamer", 64)
    assert found.truth_points > found.prediction_points > 3000


def test_syncdreamer_does_not_see_undersides():
    whole = sphere()
    # Below an elevation of -(70.5 - 30) degrees no camera looks; the cut is at -45 degrees.
    kept = whole.triangles_center[:, 2] > -0.5 * np.sin(np.pi / 4)
    cut = TriangleMesh(np.array(whole.vertices), np.array(whole.faces[kept]))
    seen, sampled = syncdreamer(cut, shape_of(whole)).scores, surface(cut, shape_of(whole)).scores
    assert seen.chamfer < 0.001
    assert sampled.chamfer > 0.01


@pytest.mark.parametrize("name", ["syncdreamer", "surface"])
def test_holes_do_not_empty_the_inside(name):
    whole = sphere()
    kept = np.linalg.norm(whole.triangles_center - [0.5, 0, 0], axis=1) > 0.15
    holed = TriangleMesh(np.array(whole.vertices), np.array(whole.faces[kept]))
    assert not trimesh.Trimesh(*holed).is_watertight
    assert PROTOCOLS[name](holed, shape_of(whole)).scores.volume_iou > 0.96


def test_iou_against_brute_force():
    """Insides by formula, at the same cell centres."""
    ball, box = sphere(0.5, 5), trimesh.creation.box(extents=(0.8, 0.5, 1.2))
    box.apply_translation([0.1, 0.05, 0])
    corners, cells = np.array([[-1.0, -1, -1], [1, 1, 1]]), 32
    steps = (np.arange(cells) + 0.5) / cells * 2 - 1
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    in_ball = np.linalg.norm(points, axis=-1) < 0.5
    in_box = (np.abs(points - [0.1, 0.05, 0]) < [0.4, 0.25, 0.6]).all(-1)
    expected = (in_ball & in_box).sum() / (in_ball | in_box).sum()
    assert volume_iou(*shape_of(ball), *shape_of(box), cells, corners) == pytest.approx(expected, abs=0.01)


def test_shifted_cube():
    cube = trimesh.creation.box(extents=(0.5, 0.5, 0.5))
    other = cube.copy()
    other.apply_translation([0.1, 0, 0])
    found = PROTOCOLS["surface"](shape_of(other), shape_of(cube)).scores
    assert found.volume_iou == pytest.approx(0.4 / 0.6, abs=0.01)
    # Of the moved cube: a face is 0.1 away inside and one outside; of four faces the part beyond the other, on average
    # half of 0.1 away over a fifth of their length, else nothing. The inner face is nearest to a side within 0.1 of it.
    inner = np.abs(np.linspace(-0.25, 0.25, 501))
    depth = np.minimum(0.1, 0.25 - np.maximum(inner[:, None], inner[None])).mean()
    assert found.chamfer == pytest.approx((0.1 + depth + 4 * 0.2 * 0.05) / 6, abs=0.0015)


def test_surface_aligned_undoes_a_similarity_and_says_which():
    truth = corner()
    turn = Rotation.from_euler("zyx", [15, -8, 5], degrees=True)
    prediction = moved(truth, 0.8, turn, [0.1, -0.05, 0.08])
    aligned, plain = surface_aligned(prediction, truth), surface(prediction, truth)
    assert plain.scores.chamfer > 0.05
    assert plain.alignment is None
    assert aligned.scores.chamfer < 0.006
    assert aligned.scores.volume_iou > 0.9
    assert aligned.alignment is not None
    assert aligned.alignment.scale == pytest.approx(1 / 0.8, rel=0.01)
    assert aligned.alignment.angle_deg == pytest.approx(np.rad2deg(turn.magnitude()), abs=0.5)
    np.testing.assert_allclose(aligned.alignment(prediction.vertices), truth.vertices, atol=0.01)


def test_aligning_never_makes_it_worse():
    random = np.random.default_rng(0)
    source, target = random.random((200, 3)), random.random((300, 3)) * [1, 1, 0.01]

    def chamfer(points):
        distance = np.linalg.norm(points[:, None] - target[None], axis=-1)
        return distance.min(1).mean() + distance.min(0).mean()

    found = align(source, target)
    assert chamfer(found(source)) <= chamfer(source)
    assert found.scale > 0.2  # one-way matches would shrink it to a point


def test_an_incomplete_prediction_is_aligned_better_than_by_matching_one_way():
    whole = sample_surface(*corner(), 1500).points
    half = whole[whole[:, 0] < 0.1]

    def chamfer(points):
        distance = np.linalg.norm(points[:, None] - whole[None], axis=-1)
        return 0.5 * (distance.min(1).mean() + distance.min(0).mean())

    start = Similarity(np.eye(4))
    reached = []
    for _ in range(60):
        points = start(half)
        reached.append(chamfer(points))
        nearest = whole[np.linalg.norm(points[:, None] - whole[None], axis=-1).argmin(1)]
        start = Similarity(np.asarray(procrustes(half, nearest, reflection=False, scale=True, return_cost=False)))
    assert chamfer(align(half, whole)(half)) < 0.95 * min(reached) < chamfer(half)


def test_a_similarity_reads_back():
    turn = Rotation.from_rotvec([0, 0, np.deg2rad(40)]).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = 2 * turn, [1, 2, 3]
    found = Similarity(matrix)
    assert found.scale == pytest.approx(2)
    assert found.angle_deg == pytest.approx(40)
    np.testing.assert_allclose(
        found(np.array([[1.0, 0, 0]])), [[1 + 2 * np.cos(np.deg2rad(40)), 2 + 2 * np.sin(np.deg2rad(40)), 3]]
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_empty_prediction_is_the_worst(name):
    found = PROTOCOLS[name](EMPTY, shape_of(sphere(0.5, 2)))
    assert np.isinf(found.scores.chamfer)
    assert (found.scores.volume_iou, found.scores.f_score_001, found.prediction_points) == (0, 0, 0)


def test_a_truth_that_no_camera_sees_is_an_error():
    ball = shape_of(sphere(0.5, 2))
    with pytest.raises(ViewDistillError, match="no visible surface"):
        syncdreamer(ball, TriangleMesh(ball.vertices + np.array([0, 0, 50]), ball.faces))


def test_the_lattice_of_syncdreamer_starts_at_minus_one_and_ends_before_one():
    """Points -1 + i/32: a box whose faces lie halfway between them holds as many as can be counted by hand."""
    points = -1 + np.arange(RIG_RESOLUTION) / 32
    centres = RIG_BOX[0, 0] + (np.arange(RIG_RESOLUTION) + 0.5) * np.ptp(RIG_BOX[:, 0]) / RIG_RESOLUTION
    np.testing.assert_allclose(centres, points)
    box = trimesh.creation.box(bounds=[[-0.51] * 3, [0.26] * 3])
    inside = inside_grid(np.array(box.vertices), np.array(box.faces), RIG_BOX, RIG_RESOLUTION)
    assert inside.sum() == ((points > -0.51) & (points < 0.26)).sum() ** 3 == 25**3
