"""Meshes of any origin: axes, and every form of colour as it shows in a picture."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.loading import gso_folder, load_gso, load_mesh
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.mesh.turntable import ring

LIBRARY: Any = trimesh

# A square in the world's plane x = 0, seen from +x: y to the right, z up.
SQUARE = np.array([[0, -0.5, -0.5], [0, 0.5, -0.5], [0, 0.5, 0.5], [0, -0.5, 0.5]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
# The planes through any three corners of a face stay within 8 bits over the whole texel square.
CORNERS = np.array([[150, 60, 120], [110, 140, 70], [80, 90, 180], [140, 110, 90]], dtype=np.uint8)


def seen_at(mesh: TexturedMesh | None, y: float, z: float) -> list[int]:
    """Colour of the place (0, y, z), in 8 bits."""
    assert mesh is not None
    size, focal = 200, 100 / np.tan(np.deg2rad(24.567))
    views = render_mesh(mesh, ring(1, 0.0), 49.134, size, supersample=1)
    column, row = int(focal * y / 1.5 + 100), int(-focal * z / 1.5 + 100)
    assert views.alpha[0, row, column] == 1
    return (views.rgb[0, row, column] * 255).round().astype(int).tolist()


def test_vertex_colours_are_interpolated(tmp_path: Path):
    trimesh.Trimesh(SQUARE, FACES, vertex_colors=CORNERS, process=False).export(tmp_path / "a.ply")
    mesh = load_mesh(tmp_path / "a.ply", "z").textured
    for y, z in ((0.25, -0.25), (-0.2, 0.3), (0.4, 0.1)):
        u, v = y + 0.5, z + 0.5
        first, second, third, fourth = CORNERS.astype(float)
        expected = (
            (1 - u) * first + (u - v) * second + v * third if u > v else (1 - v) * first + u * third + (v - u) * fourth
        )
        assert seen_at(mesh, y, z) == pytest.approx(expected, abs=2)


def test_face_colours(tmp_path: Path):
    colors = np.array([[255, 0, 0, 255], [0, 0, 255, 255]], dtype=np.uint8)
    trimesh.Trimesh(SQUARE, FACES, face_colors=colors, process=False).export(tmp_path / "a.ply")
    mesh = load_mesh(tmp_path / "a.ply", "z").textured
    assert seen_at(mesh, 0.3, -0.3) == [255, 0, 0]
    assert seen_at(mesh, -0.3, 0.3) == [0, 0, 255]


def quarters() -> Image.Image:
    """Twice as wide as high: red and green above, blue and white below."""
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:16, :32], pixels[:16, 32:], pixels[16:, :32], pixels[16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)
    pixels[16:, :32] = (0, 0, 255)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("shift", [0, 3])
def test_a_texture_in_any_repeat(tmp_path: Path, shift: int):
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * 0.999 + 0.0005 + shift
    visual = LIBRARY.visual.TextureVisuals(uv=uvs, image=quarters())
    trimesh.Trimesh(SQUARE, FACES, visual=visual, process=False).export(tmp_path / "a.obj")
    mesh = load_mesh(tmp_path / "a.obj", "z").textured
    assert seen_at(mesh, -0.25, 0.25) == [255, 0, 0]
    assert seen_at(mesh, 0.25, 0.25) == [0, 255, 0]
    assert seen_at(mesh, -0.25, -0.25) == [0, 0, 255]
    assert seen_at(mesh, 0.25, -0.25) == [9, 9, 9]


def test_the_layout_of_google_scanned_objects(tmp_path: Path):
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    meshes, textures = tmp_path / "meshes", tmp_path / "materials" / "textures"
    meshes.mkdir()
    textures.mkdir(parents=True)
    assert not gso_folder(tmp_path)
    lines = ["mtllib model.mtl", *(f"v {x} {y} {z}" for x, y, z in SQUARE), *(f"vt {u} {v}" for u, v in uvs)]
    (meshes / "model.obj").write_text("\n".join([*lines, "usemtl material_0", "f 1/1 2/2 3/3", "f 1/1 3/3 4/4"]))
    # As published, the material names a texture that lies in another folder.
    (meshes / "model.mtl").write_text("newmtl material_0\nKd 1 1 1\nmap_Kd texture.png\n")
    quarters().save(textures / "texture.png")
    assert gso_folder(tmp_path)
    loaded = load_gso(tmp_path)
    np.testing.assert_allclose(np.ptp(loaded.vertices, axis=0), [0, 1, 1])
    assert seen_at(loaded.textured, -0.25, 0.25) == [255, 0, 0]
    assert seen_at(loaded.textured, 0.25, -0.25) == [9, 9, 9]


def test_axes(tmp_path: Path):
    trimesh.Trimesh([[1.0, 2, 3], [4, 5, 6], [7, 8, 10]], [[0, 1, 2]], process=False).export(tmp_path / "a.ply")
    standing, lying = load_mesh(tmp_path / "a.ply", "z"), load_mesh(tmp_path / "a.ply")
    np.testing.assert_allclose(standing.vertices[0], [1, 2, 3])
    # +z of such a file is the front, +x of the world; +y is up.
    np.testing.assert_allclose(lying.vertices[0], [3, 1, 2])


def test_a_mesh_without_colour(tmp_path: Path):
    trimesh.creation.box().export(tmp_path / "a.stl")
    assert load_mesh(tmp_path / "a.stl").textured is None


def test_a_uniform_material(tmp_path: Path):
    material = LIBRARY.visual.material.SimpleMaterial(diffuse=(10, 200, 30, 255))
    visual = LIBRARY.visual.TextureVisuals(uv=np.zeros((4, 2)), material=material)
    trimesh.Trimesh(SQUARE, FACES, visual=visual, process=False).export(tmp_path / "a.obj")
    assert seen_at(load_mesh(tmp_path / "a.obj", "z").textured, 0.1, 0.1) == pytest.approx([10, 200, 30], abs=1)


def test_bad_files(tmp_path: Path):
    (tmp_path / "noise.glb").write_bytes(struct.pack("<4s2I", b"glTF", 2, 999) + b"x" * 40)
    (tmp_path / "empty.obj").write_text("v 0 0 0\n")
    (tmp_path / "nan.obj").write_text("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "a.txt").write_text(json.dumps({}))
    for name, problem in (
        ("none.glb", "no such file"),
        (".", "a folder"),
        ("noise.glb", "cannot be read as a mesh"),
        ("a.txt", "cannot be read as a mesh"),
        ("empty.obj", "holds points but no triangles"),
        ("nan.obj", "1 of 3 vertices are not finite"),
    ):
        with pytest.raises(ViewDistillError, match=problem):
            load_mesh(tmp_path / name)


def test_a_rendered_box_keeps_its_colours(tmp_path: Path):
    box = trimesh.creation.box(extents=(0.5, 0.5, 0.5))
    box.visual = LIBRARY.visual.ColorVisuals(box, vertex_colors=np.full((8, 4), (40, 80, 120, 255), np.uint8))
    box.export(tmp_path / "a.glb")
    views = render_mesh(_textured(tmp_path / "a.glb"), ring(4, 30.0), 49.134, 32, supersample=1)
    inside = torch.from_numpy(views.rgb[views.alpha == 1])
    torch.testing.assert_close(inside, torch.tensor([40, 80, 120]).expand_as(inside) / 255, atol=3e-3, rtol=0)


def _textured(path: Path) -> TexturedMesh:
    mesh = load_mesh(path).textured
    assert mesh is not None
    return mesh
