"""Whether a mesh is called sound: closed alone is not enough."""

import numpy as np
import pytest
import torch
import trimesh

from viewdistill.cameras import FOVY_ZERO123
from viewdistill.mesh.extraction import cube, isosurface
from viewdistill.mesh.raster import silhouettes
from viewdistill.mesh.soundness import Soundness, silhouette_iou, soundness
from viewdistill.mesh.turntable import ring


def of(mesh: trimesh.Trimesh) -> Soundness:
    return soundness(np.array(mesh.vertices), np.array(mesh.faces))


def test_a_ball_and_a_finely_cut_box_are_sound():
    for solid in (trimesh.creation.icosphere(4, 0.5), trimesh.creation.box().subdivide().subdivide().subdivide()):
        found = of(solid)
        assert found.sound, found
        assert (found.watertight, found.components, found.genus, found.crossing_faces) == (True, 1, 0, 0)


def test_handles_are_counted():
    ring_of_tube = trimesh.creation.torus(0.5, 0.15)
    assert of(ring_of_tube).genus == 1
    assert of(ring_of_tube).sound
    two = ring_of_tube + trimesh.creation.torus(0.5, 0.1, major_sections=40)
    assert (of(two).components, of(two).genus) == (2, 2)


def test_a_sponge_is_not_sound_though_it_is_watertight():
    def gyroid(points):
        x, y, z = (25 * points).unbind(1)
        sponge = 0.4 - (x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()).abs()
        return torch.minimum(sponge / 25, 0.45 - points.norm(dim=1))

    found = soundness(*isosurface(gyroid, cube(0.5), 64, 0.0))
    assert found.watertight
    assert found.genus > 20
    assert not found.sound
    assert "handles" in " ".join(found.problems)


def test_a_crumpled_ball_is_not_sound_though_it_is_watertight():
    ball = trimesh.creation.icosphere(4, 0.5)
    ball.vertices += np.random.default_rng(0).normal(scale=0.02, size=ball.vertices.shape)
    found = of(ball)
    assert found.watertight
    assert found.crossing_faces > 100
    assert any("cross others" in problem for problem in found.problems)
    assert any("ragged" in problem for problem in found.problems)
    assert found.figures["sound"] is False


def test_an_open_mesh_is_not_sound():
    ball = trimesh.creation.icosphere(3, 0.5)
    found = soundness(np.array(ball.vertices), np.array(ball.faces)[1:])
    assert not found.watertight
    assert found.problems == ("it is not watertight",)


def test_seams_of_a_texture_do_not_count_as_holes():
    ball = trimesh.creation.icosphere(2, 0.5)
    loose = np.array(ball.vertices)[ball.faces.ravel()]
    assert soundness(loose, np.arange(len(loose)).reshape(-1, 3)).watertight


def test_the_silhouette_is_compared_with_a_mask():
    ball = trimesh.creation.icosphere(4, 0.3)
    vertices, faces = np.array(ball.vertices), np.array(ball.faces)
    camera = ring(1, 20.0)
    mask = silhouettes(vertices, faces, camera, FOVY_ZERO123, 64)[0]
    assert silhouette_iou(vertices, faces, camera[0], FOVY_ZERO123, mask) == 1.0
    # Radius 0.24 in place of 0.3: the areas are as 0.62 to 1.
    assert silhouette_iou(0.8 * vertices, faces, camera[0], FOVY_ZERO123, mask) == pytest.approx(0.62, abs=0.03)
    assert silhouette_iou(vertices + np.array([0, 2, 0]), faces, camera[0], FOVY_ZERO123, mask) == 0.0
