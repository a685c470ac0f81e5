"""The points of COLMAP on views whose cameras are known exactly: many for one shape, hardly any for views of many."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from viewdistill.cameras import FOVY_ZERO123, look_at, project
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.baking import texture_mesh
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.turntable import ring
from viewdistill.metrics.colmap import colmap_points, known_model

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pycolmap") is None, reason="needs the extra `colmap`")

CAMERAS = look_at(torch.arange(6) * 12.0, torch.full((6,), 20.0), torch.full((6,), 1.5))


def spotted_box(seed: int) -> torch.Tensor:
    """Views of a box under a texture of random spots."""
    box = trimesh.creation.box(extents=(0.6, 0.6, 0.6))
    mesh = texture_mesh(np.array(box.vertices), np.array(box.faces), lambda points: torch.zeros_like(points), 256)
    spots = np.random.default_rng(seed).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    mesh.texture[:] = np.kron(spots, np.ones((6, 6, 1), np.uint8))[:256, :256]
    return torch.from_numpy(render_mesh(mesh, CAMERAS, FOVY_ZERO123, 192, supersample=3).rgb).permute(0, 3, 1, 2)


def test_views_of_one_shape_share_points_and_others_do_not():
    fovy = [FOVY_ZERO123] * len(CAMERAS)
    one = spotted_box(0)
    many = torch.stack([spotted_box(seed)[seed] for seed in range(len(CAMERAS))])
    found = colmap_points(one, CAMERAS, fovy)
    assert found > 100
    assert colmap_points(many, CAMERAS, fovy) < found / 10


def test_its_cameras_project_as_ours_do(tmp_path: Path):
    import pycolmap

    library: Any = pycolmap
    c2w, fovy = ring(5, 25.0), [30.0, 35.0, 40.0, 45.0, 50.0]
    database = tmp_path / "database.db"
    with library.Database.open(database) as opened:
        for index in reversed(range(5)):
            camera = opened.write_camera(library.Camera(model="PINHOLE", width=64, height=64, params=[9, 9, 3, 3]))
            opened.write_image(library.Image(name=f"{index:03d}.png", camera_id=camera))
    model = known_model(library, database, c2w, fovy, 64)
    points = torch.tensor([[0.1, 0.2, -0.3], [-0.2, 0.05, 0.25]])
    for image in model.images.values():
        index = int(Path(image.name).stem)
        expected, _ = project(points, c2w[index], fovy[index], 64, 64)
        found = [image.project_point(point) for point in points.double().numpy()]
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-3)


def test_views_without_anything_to_match_have_no_points():
    assert colmap_points(torch.ones(3, 3, 64, 64), ring(3, 10.0), [49.134] * 3) == 0


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ViewDistillError, match=r"viewdistill\[colmap\]"):
        colmap_points(torch.ones(2, 3, 64, 64), ring(2, 10.0), [49.134] * 2)
