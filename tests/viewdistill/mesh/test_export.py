import io
import json
import struct

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from viewdistill.cameras import look_at
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.baking import texture_mesh
from viewdistill.mesh.export import WORLD_TO_FILE, FileFrame, InputCamera, parse_size, save_glb, save_mesh
from viewdistill.mesh.loading import load_mesh

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
        save_mesh(mesh, path)
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
        save_mesh(mesh, tmp_path / name / "object.obj")
    for file in ("object.glb", "object.obj", "object.mtl", "object.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_obj_has_its_picture_beside_it(mesh, tmp_path):
    save_mesh(mesh, tmp_path / "object.obj")
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


def test_the_glb_says_how_its_texture_is_sampled_and_what_its_buffers_are_for(mesh, tmp_path):
    save_glb(mesh, tmp_path / "object.glb", InputCamera(elevation=0.0))
    tree = glb_json(tmp_path / "object.glb")
    sampler = tree["samplers"][tree["textures"][0]["sampler"]]
    assert (sampler["wrapS"], sampler["wrapT"]) == (33071, 33071), "CLAMP_TO_EDGE"
    (primitive,) = tree["meshes"][0]["primitives"]
    views = tree["bufferViews"]
    assert views[tree["accessors"][primitive["indices"]]["bufferView"]]["target"] == 34963
    for accessor in primitive["attributes"].values():
        assert views[tree["accessors"][accessor]["bufferView"]]["target"] == 34962
    image = tree["images"][tree["textures"][0]["source"]]
    assert "target" not in views[image["bufferView"]], "a picture is no vertex data"


def test_the_material_of_the_obj_leaves_the_texture_its_colours(mesh, tmp_path):
    save_mesh(mesh, tmp_path / "object.obj")
    lines = (tmp_path / "object.mtl").read_text().splitlines()
    assert [float(value) for line in lines if line.startswith("Kd") for value in line.split()[1:]] == [1, 1, 1]


def test_the_stl_is_the_closed_solid_in_millimetres_and_stands_upright_in_a_slicer(mesh, tmp_path):
    path = tmp_path / "object.stl"
    save_mesh(mesh, path)
    header = path.read_bytes()[:80]
    assert not header.startswith(b"solid")
    assert b"+Z up, front -Y; millimetres, longest side 100" in header
    assert struct.unpack("<I", path.read_bytes()[80:84])[0] == len(mesh.faces)
    loaded = trimesh.load(path, force="mesh")
    assert isinstance(loaded, trimesh.Trimesh)
    # The object is 1 high, 0.6 deep and 0.4 wide.
    np.testing.assert_allclose(loaded.bounds, [[-20, -30, -50], [20, 30, 50]], atol=1e-3)
    assert loaded.is_watertight
    assert loaded.volume == pytest.approx(SIDES.prod() * 1e6, rel=1e-4)
    assert [entry.name for entry in tmp_path.iterdir()] == ["object.stl"]


@pytest.mark.parametrize(
    ("name", "frame", "sides"),
    [
        ("a.glb", FileFrame(size=0.1), [0.04, 0.1, 0.06]),
        ("a.obj", FileFrame(), [0.4, 1.0, 0.6]),
        ("a.obj", FileFrame(up="z", size=2.0), [0.8, 1.2, 2.0]),
        ("a.ply", FileFrame(up="z"), [0.4, 0.6, 1.0]),
        ("a.stl", FileFrame(up="y", size=0.05), [20.0, 50.0, 30.0]),
        ("a.STL", FileFrame(), [40.0, 60.0, 100.0]),
    ],
)
def test_axes_and_size_are_as_asked_for(mesh, tmp_path, name, frame, sides):
    save_mesh(mesh, tmp_path / name, frame)
    bounds = trimesh.load(tmp_path / name, process=False).bounds
    np.testing.assert_allclose(np.ptp(bounds, axis=0), sides, rtol=5e-3)


def test_with_z_up_the_front_looks_along_minus_y(mesh, tmp_path):
    save_mesh(mesh, tmp_path / "a.obj", FileFrame(up="z"))
    loaded = trimesh.load_mesh(tmp_path / "a.obj")
    assert color_at(loaded, [0.001, -1, 0.002]) == [255, 0, 0]
    assert color_at(loaded, [0.001, 0.002, 1]) == [0, 255, 0]
    assert loaded.volume > 0, "not mirrored"


def test_the_ply_is_a_cloud_of_the_surface_with_normals_and_colours(mesh, tmp_path):
    save_mesh(mesh, tmp_path / "a.ply")
    cloud = trimesh.load(tmp_path / "a.ply")
    assert isinstance(cloud, trimesh.PointCloud)
    assert b"property float nx" in (tmp_path / "a.ply").read_bytes()[:600]
    points, colors = np.asarray(cloud.vertices), np.asarray(cloud.colors)[:, :3]
    front = points[:, 2] > 0.2999
    below = front & (points[:, 1] < 0.25)
    assert 0.1 < front.mean() < 0.25, "0.4 of 2.48 units of area"
    assert (colors[below] == [255, 0, 0]).all(1).mean() > 0.99


def test_the_camera_of_a_glb_has_the_unit_of_its_mesh(mesh, tmp_path):
    save_mesh(mesh, tmp_path / "a.glb", FileFrame(size=0.1), InputCamera(elevation=30.0))
    camera = glb_json(tmp_path / "a.glb")["scenes"][0]["extras"]["input_camera"]
    assert camera["distance"] == pytest.approx(0.15)
    assert np.linalg.norm(np.array(camera["c2w"])[:3, 3]) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("text", "metres"), [("0.1m", 0.1), ("60 mm", 0.06), ("10cm", 0.1), ("4in", 0.1016), (".5m", 0.5)]
)
def test_sizes(text, metres):
    assert parse_size(text) == pytest.approx(metres)


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "0m", "1e3m", "nanm", "2000m", "0.01mm", "1 ft", "1m\n2"])
def test_sizes_that_are_none(text):
    with pytest.raises(ViewDistillError, match="give a length with its unit"):
        parse_size(text)


def test_formats_that_are_not_written_are_named(mesh, tmp_path):
    for name, frame, words in (
        ("a.usdz", None, r"\.glb, \.obj"),
        ("a", None, "must end"),
        ("a.glb", FileFrame("z"), "Y up"),
    ):
        with pytest.raises(ViewDistillError, match=words):
            save_mesh(mesh, tmp_path / name, frame)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_geometry_comes_back_into_the_world(mesh, tmp_path, suffix):
    save_mesh(mesh, tmp_path / f"object.{suffix}")
    loaded = load_mesh(tmp_path / f"object.{suffix}")
    vertices = loaded.vertices
    np.testing.assert_allclose([vertices.min(0), vertices.max(0)], [-SIDES / 2, SIDES / 2], atol=1e-5)
    assert len(loaded.faces) == len(mesh.faces)
