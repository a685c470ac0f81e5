import io
import json
import os
import struct

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from viewdistill.cameras import look_at
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.baking import texture_mesh
from viewdistill.mesh.export import WORLD_TO_FILE, InputCamera, load_geometry, save_glb, save_obj, save_stl

SIDES = np.array([0.6, 0.4, 1.0])


@pytest.fixture(scope="module")
def mesh():
    """A box 1 high, 0.6 deep and 0.4 wide: red in front (+x), green at the top third, blue elsewhere."""

    def color(points):
        red, green, blue = torch.eye(3)
        color = torch.where((points[:, :1] > 0.29), red, blue)
        return torch.where((points[:, 2:] > 0.3), green, color)

    box = trimesh.creation.box(extents=SIDES).subdivide().subdivide()
    return texture_mesh(np.array(box.vertices), np.array(box.faces), color, 128)


def color_at(loaded, direction):
    """Texture colour where a ray from far away towards the centre first meets a loaded mesh."""
    origin = np.array([direction], dtype=np.float64) * 5
    points, _, triangle = loaded.ray.intersects_location(origin, -origin, multiple_hits=False)
    weights = trimesh.triangles.points_to_barycentric(loaded.triangles[triangle], points)
    uv = (loaded.visual.uv[loaded.faces[triangle[0]]] * weights[0][:, None]).sum(0)
    material = loaded.visual.material
    image = material.baseColorTexture if hasattr(material, "baseColorTexture") else material.image
    picture = np.asarray(image.convert("RGB"))
    return picture[int((1 - uv[1]) * picture.shape[0]), int(uv[0] * picture.shape[1])].tolist()


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_reimported_it_stands_upright_with_its_texture(mesh, tmp_path, suffix):
    path = tmp_path / f"object.{suffix}"
    if suffix == "glb":
        save_glb(mesh, path, InputCamera(elevation=20.0))
    else:
        save_obj(mesh, path)
    loaded = trimesh.load(path, force="mesh")
    assert isinstance(loaded, trimesh.Trimesh)
    # Width along x, height along y (up), depth along z.
    np.testing.assert_allclose(loaded.bounds, [[-0.2, -0.5, -0.3], [0.2, 0.5, 0.3]], atol=1e-5)
    assert color_at(loaded, [0.001, 0.002, 1]) == [255, 0, 0], "the front looks along +z"
    assert color_at(loaded, [0.001, 1, 0.002]) == [0, 255, 0], "the top is up"
    assert color_at(loaded, [0.001, 0.002, -1]) == [0, 0, 255]
    outwards = (loaded.vertex_normals * loaded.vertices).sum(1)
    assert (outwards > 0).all()
    loaded.merge_vertices(merge_tex=True, merge_norm=True)
    assert loaded.is_watertight
    assert loaded.volume == pytest.approx(SIDES.prod(), rel=1e-4)


def glb_json(path):
    data = path.read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[20 : 20 + length])


def test_the_glb_says_with_which_camera_the_input_was_taken(mesh, tmp_path):
    save_glb(mesh, tmp_path / "object.glb", InputCamera(elevation=30.0, azimuth=0.0, distance=1.5, fovy=49.134))
    tree = glb_json(tmp_path / "object.glb")
    camera = tree["scenes"][0]["extras"]["input_camera"]
    assert (camera["elevation_deg"], camera["azimuth_deg"], camera["distance"], camera["fovy_deg"]) == (
        30,
        0,
        1.5,
        49.134,
    )
    c2w = np.array(camera["c2w"])
    # In front (+z) and above (+y), looking at the origin.
    np.testing.assert_allclose(c2w[:3, 3], [0, 0.75, 1.5 * np.cos(np.radians(30))], atol=1e-6)
    np.testing.assert_allclose(-c2w[:3, 2] * 1.5, -c2w[:3, 3], atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(c2w[:3, :3]), 1, atol=1e-6)
    world = look_at(torch.tensor(0.0), torch.tensor(30.0), torch.tensor(1.5)).numpy()
    np.testing.assert_allclose(WORLD_TO_FILE.T @ c2w[:3], world[:3], atol=1e-6)


def test_the_glb_has_normals_and_a_matt_textured_material(mesh, tmp_path):
    save_glb(mesh, tmp_path / "object.glb", InputCamera(elevation=0.0))
    tree = glb_json(tmp_path / "object.glb")
    assert {"POSITION", "NORMAL", "TEXCOORD_0"} <= set(tree["meshes"][0]["primitives"][0]["attributes"])
    material = tree["materials"][0]["pbrMetallicRoughness"]
    assert "baseColorTexture" in material
    assert material["metallicFactor"] == 0.0


def test_the_same_mesh_gives_the_same_bytes(mesh, tmp_path):
    for name in ("a", "b"):
        save_glb(mesh, tmp_path / name / "object.glb", InputCamera(elevation=5.0))
        save_obj(mesh, tmp_path / name / "object.obj")
    for file in ("object.glb", "object.obj", "object.mtl", "object.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_obj_has_its_picture_beside_it(mesh, tmp_path):
    save_obj(mesh, tmp_path / "object.obj")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["object.mtl", "object.obj", "object.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "object.png")), mesh.texture)
    assert "map_Kd object.png" in (tmp_path / "object.mtl").read_text()


def accessor(tree, binary, index):
    """Elements of an accessor, read by the rules of glTF 2.0 section 3.6 and checked against them."""
    entry = tree["accessors"][index]
    view = tree["bufferViews"][entry["bufferView"]]
    kind = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}[entry["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[entry["type"]]
    start, item = view.get("byteOffset", 0) + entry.get("byteOffset", 0), np.dtype(kind).itemsize
    assert start % item == 0, "accessors are aligned to their components"
    assert entry.get("byteOffset", 0) + entry["count"] * width * item <= view["byteLength"]
    assert view.get("byteOffset", 0) + view["byteLength"] <= tree["buffers"][view["buffer"]]["byteLength"]
    values = np.frombuffer(binary, kind, entry["count"] * width, start).reshape(-1, width)
    for bound, reduce in (("min", np.min), ("max", np.max)):
        if bound in entry:
            np.testing.assert_allclose(entry[bound], reduce(values, axis=0), rtol=1e-6, atol=1e-7)
    return values


def test_the_glb_keeps_the_rules_of_the_format(mesh, tmp_path):
    path = tmp_path / "object.glb"
    save_glb(mesh, path, InputCamera(elevation=0.0))
    data, tree = path.read_bytes(), glb_json(path)
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    json_length, json_kind = struct.unpack("<I4s", data[12:20])
    binary_length, binary_kind = struct.unpack("<I4s", data[20 + json_length : 28 + json_length])
    assert (json_kind, binary_kind) == (b"JSON", b"BIN\0")
    assert json_length % 4 == binary_length % 4 == 0
    assert 28 + json_length + binary_length == len(data)
    binary = data[28 + json_length :]
    assert tree["asset"]["version"] == "2.0"

    (primitive,) = tree["meshes"][0]["primitives"]
    assert primitive.get("mode", 4) == 4
    attributes = primitive["attributes"]
    position, normal, uv = (accessor(tree, binary, attributes[name]) for name in ("POSITION", "NORMAL", "TEXCOORD_0"))
    assert {"min", "max"} <= set(tree["accessors"][attributes["POSITION"]]), "positions must have bounds"
    faces = accessor(tree, binary, primitive["indices"]).reshape(-1, 3).astype(int)
    assert len(position) == len(normal) == len(uv) == len(mesh.vertices)
    assert faces.max() < len(position)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)
    assert 0 <= uv.min() <= uv.max() <= 1
    # +Y up: the box is 1 high; faces run counter-clockwise seen from outside, where the normals point.
    np.testing.assert_allclose(np.ptp(position, axis=0), [0.4, 1.0, 0.6], atol=1e-5)
    corners = position[faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((across * normal[faces].sum(1)).sum(1) > 0).all()
    assert not any("matrix" in node and node["matrix"] != np.eye(4).ravel().tolist() for node in tree["nodes"])

    image = tree["images"][tree["textures"][0]["source"]]
    view = tree["bufferViews"][image["bufferView"]]
    png = binary[view.get("byteOffset", 0) :][: view["byteLength"]]
    assert image["mimeType"] == "image/png"
    assert Image.open(io.BytesIO(png)).size == (128, 128)


def test_the_stl_is_the_closed_solid_and_says_which_way_is_up(mesh, tmp_path):
    path = tmp_path / "object.stl"
    save_stl(mesh, path)
    header = path.read_bytes()[:80]
    assert not header.startswith(b"solid")
    assert b"+Y up" in header
    assert struct.unpack("<I", path.read_bytes()[80:84])[0] == len(mesh.faces)
    loaded = trimesh.load(path, force="mesh")
    assert isinstance(loaded, trimesh.Trimesh)
    np.testing.assert_allclose(loaded.bounds, [[-0.2, -0.5, -0.3], [0.2, 0.5, 0.3]], atol=1e-5)
    assert loaded.is_watertight
    assert loaded.volume == pytest.approx(SIDES.prod(), rel=1e-4)
    assert [entry.name for entry in tmp_path.iterdir()] == ["object.stl"]


@pytest.mark.parametrize("suffix", ["glb", "obj", "stl"])
def test_geometry_comes_back_into_the_world(mesh, tmp_path, suffix):
    path = tmp_path / f"object.{suffix}"
    if suffix == "glb":
        save_glb(mesh, path, InputCamera(elevation=0.0))
    else:
        {"obj": save_obj, "stl": save_stl}[suffix](mesh, path)
    vertices, faces = load_geometry(path)
    np.testing.assert_allclose([vertices.min(0), vertices.max(0)], [-SIDES / 2, SIDES / 2], atol=1e-5)
    assert len(faces) == len(mesh.faces)
    assert len(vertices) < len(mesh.vertices)


def test_files_that_are_no_meshes_are_named(tmp_path):
    (tmp_path / "text.glb").write_text("hello")
    for name in ("text.glb", "missing.obj"):
        with pytest.raises(ViewDistillError, match=name):
            load_geometry(tmp_path / name)
