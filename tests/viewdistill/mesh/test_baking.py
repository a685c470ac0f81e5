import numpy as np
import pytest
import torch
import trimesh

from viewdistill.mesh.baking import bake_texture, dilate, texel_hits, texture_mesh
from viewdistill.mesh.raster import sample_texture
from viewdistill.mesh.textured_mesh import vertex_normals
from viewdistill.mesh.unwrapping import unwrap

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
SQUARE_FACES = np.array([[0, 1, 2], [0, 2, 3]])


def test_texels_of_a_square_that_fills_the_atlas_read_their_own_place():
    uvs = SQUARE[:, :2]
    texture = bake_texture(lambda points: points * torch.tensor([1.0, 1.0, 0.0]), SQUARE, SQUARE_FACES, uvs, 10)
    columns = np.round((np.arange(10) + 0.5) / 10 * 255)
    np.testing.assert_allclose(texture[..., 0], np.tile(columns, (10, 1)), atol=1)
    np.testing.assert_allclose(texture[..., 1], np.tile(columns[::-1, None], (1, 10)), atol=1)


def test_bilinear_look_up_at_and_between_texel_centres():
    texture = np.zeros((2, 2, 3), dtype=np.uint8)
    texture[0, 1] = 255
    uvs = np.array([[0.75, 0.75], [0.25, 0.25], [0.5, 0.75], [0.5, 0.5], [2.0, 2.0]])
    np.testing.assert_allclose(sample_texture(texture, uvs)[:, 0], [1, 0, 0.5, 0.25, 1], atol=1e-6)


def test_gaps_take_the_nearest_colour():
    texture = np.zeros((1, 5, 3), dtype=np.uint8)
    texture[0, 0], texture[0, 4] = 10, 200
    covered = np.array([[True, False, False, False, True]])
    assert dilate(texture, covered)[0, [1, 3], 0].tolist() == [10, 200]
    np.testing.assert_array_equal(dilate(texture, np.zeros_like(covered)), texture)


def test_an_atlas_keeps_faces_apart_and_in_order():
    mesh = trimesh.creation.icosphere(3, 0.5)
    atlas = unwrap(np.array(mesh.vertices), np.array(mesh.faces), 256)
    np.testing.assert_array_equal(atlas.source[atlas.faces], mesh.faces)
    assert atlas.uvs.min() >= 0
    assert atlas.uvs.max() <= 1
    corners = atlas.uvs[atlas.faces].astype(np.float64)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    covered = texel_hits(atlas.uvs, atlas.faces, 512).hit.mean()
    # Charts that overlapped would cover less than the sum of their triangles.
    assert covered == pytest.approx(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2, rel=0.02)
    assert covered > 0.4


def test_the_baked_colour_is_the_fields_all_over_the_surface():
    mesh = trimesh.creation.icosphere(4, 0.5)
    color = lambda points: points + 0.5  # noqa: E731
    textured = texture_mesh(np.array(mesh.vertices), np.array(mesh.faces), color, 256)
    random = np.random.default_rng(0)
    face = random.integers(len(textured.faces), size=2_000)
    weights = random.dirichlet([1, 1, 1], size=2_000)[..., None]
    points = (textured.vertices[textured.faces[face]] * weights).sum(1)
    found = sample_texture(textured.texture, (textured.uvs[textured.faces[face]] * weights).sum(1))
    assert np.abs(found - (points + 0.5)).max() < 0.03
    np.testing.assert_allclose(textured.normals, textured.vertices / 0.5, atol=0.02)


def test_a_colour_that_is_not_finite_or_out_of_range_is_mended():
    textured = bake_texture(
        lambda points: torch.tensor([float("nan"), 7.0, -1.0]).expand(len(points), 3),
        SQUARE,
        SQUARE_FACES,
        SQUARE[:, :2],
        4,
    )
    assert textured[1, 1].tolist() == [128, 255, 0]


def test_vertex_normals_are_weighted_by_area_and_survive_degenerate_faces():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 2], [5, 5, 5]])
    normals = vertex_normals(vertices, np.array([[0, 1, 2], [0, 2, 3], [0, 0, 1]]))
    np.testing.assert_allclose(normals[1], [0, 0, 1])
    np.testing.assert_allclose(normals[0], np.array([2, 0, 1]) / np.sqrt(5), atol=1e-6)
    np.testing.assert_allclose(normals[4], [0, 0, 1])
