import math

import numpy as np
import pytest
import torch
import trimesh

from viewdistill.cameras import rays
from viewdistill.mesh.turntable import ring
from viewdistill.metrics.geometry import TriangleMesh
from viewdistill.metrics.reprojection import reprojection_psnr
from viewdistill.rendering.embree import EmbreeScene

FOVY = 49.134


def shape_of(mesh) -> TriangleMesh:
    return TriangleMesh(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))


def painted(shape: TriangleMesh, c2w: torch.Tensor, size: int) -> torch.Tensor:
    """Renders over white of a surface whose colour is a smooth function of the place."""
    origins, directions = (part.reshape(-1, 3).numpy() for part in rays(c2w, FOVY, size, size))
    hits = EmbreeScene(*shape).cast(origins, directions)
    points = origins[hits.hit] + directions[hits.hit] * hits.distance[hits.hit, None]
    rgb = np.ones((len(origins), 3), np.float32)
    rgb[hits.hit] = 0.5 + 0.5 * np.sin(8 * points)
    return torch.from_numpy(rgb).reshape(len(c2w), size, size, 3).permute(0, 3, 1, 2)


def test_flat_colours_by_hand():
    ball, c2w = shape_of(trimesh.creation.icosphere(3, 0.5)), ring(2, 20.0)
    # Two cameras on opposite sides share little of the ball; a third stands beside the first.
    c2w = torch.cat([c2w[:1], ring(36, 20.0)[1:2], c2w[1:]])
    rgb = torch.tensor([0.2, 0.5, 0.9])[:, None, None, None].expand(3, 3, 32, 32)
    found = reprojection_psnr(rgb, c2w, [FOVY] * 3, ball)
    expected = -20 * math.log10(0.3)
    assert found[:2] == pytest.approx([expected, expected], abs=1e-4)


def test_views_of_one_surface_agree_and_others_do_not():
    ball, c2w = shape_of(trimesh.creation.icosphere(5, 0.5)), ring(12, 20.0)
    views = painted(ball, c2w, 96)
    consistent = reprojection_psnr(views, c2w, [FOVY] * 12, ball)
    assert len(consistent) == 12
    assert min(consistent) > 20
    assert max(reprojection_psnr(views.flip(0), c2w, [FOVY] * 12, ball)) < min(consistent) - 5
    # The wrong reconstruction carries colours to wrong places.
    small = shape_of(trimesh.creation.icosphere(5, 0.3))
    assert np.mean(reprojection_psnr(views, c2w, [FOVY] * 12, small)) < np.mean(consistent) - 5


def test_what_is_hidden_is_not_compared():
    """A board stands between two cameras' common view of a wall: its shadow in the second view must not count."""
    wall, board = trimesh.creation.box(extents=(0.02, 1.2, 1.2)), trimesh.creation.box(extents=(0.02, 0.3, 0.3))
    wall.apply_translation([-0.4, 0, 0])
    board.apply_translation([0.4, 0, 0])
    both = shape_of(wall + board)
    azimuths = ring(18, 0.0)[:2]  # 20 degrees apart
    origins, directions = (part.reshape(-1, 3).numpy() for part in rays(azimuths, FOVY, 64, 64))
    hits = EmbreeScene(*both).cast(origins, directions)
    points = origins + directions * np.where(hits.hit, hits.distance, 0)[:, None]
    # The wall is black and the board is white.
    rgb = np.where(points[:, :1] > 0, 1.0, 0.0).repeat(3, 1).astype(np.float32)
    views = torch.from_numpy(rgb).reshape(2, 64, 64, 3).permute(0, 3, 1, 2)
    found = reprojection_psnr(views, azimuths, [FOVY] * 2, both)
    open_only = reprojection_psnr(views, azimuths, [FOVY] * 2, shape_of(wall))
    assert min(found) > max(open_only) + 4


def test_too_little_to_compare():
    ball = shape_of(trimesh.creation.icosphere(2, 0.5))
    assert reprojection_psnr(torch.zeros(1, 3, 8, 8), ring(1, 0.0), [FOVY], ball) == []
    far = TriangleMesh(ball.vertices + np.array([0, 0, 90.0]), ball.faces)
    assert reprojection_psnr(torch.zeros(2, 3, 8, 8), ring(2, 0.0), [FOVY] * 2, far) == []
