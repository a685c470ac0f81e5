"""Meshes that users give: what they claim is known before memory is taken, and every refusal is one line."""

import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.baking import texture_mesh
from viewdistill.mesh.claims import MeshLimits, check_claims
from viewdistill.mesh.export import FORMATS, save_mesh
from viewdistill.mesh.loading import load_mesh

LIBRARY: Any = trimesh
BILLION = 10**9


def glb(tree: dict[str, Any], binary: bytes = b"") -> bytes:
    """A GLB of any JSON."""
    text = json.dumps({"asset": {"version": "2.0"}, **tree}).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    if binary:
        chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32).tobytes()
PARTS: dict[str, Any] = {
    "buffers": [{"byteLength": 36}],
    "bufferViews": [{"buffer": 0, "byteLength": 36}],
    "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
}


def tower(height: int) -> list[dict[str, Any]]:
    """Nodes that each show the next one twice: 2^height triangles in a few kilobytes."""
    return [{"children": [k + 1, k + 1]} for k in range(height)] + [{"mesh": 0}]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "claims.glb": (
        glb({**PARTS, "accessors": [{"componentType": 5126, "count": BILLION, "type": "VEC3"}]}),
        "claims 1,000,000,000 elements",
    ),
    "tower.glb": (glb({**PARTS, "nodes": tower(40), "scenes": [{"nodes": [0]}]}, TRIANGLE), "its nodes are not trees"),
    "crowd.glb": (
        glb({**PARTS, "nodes": [{"mesh": 0}] * 3000, "scenes": [{"nodes": list(range(3000))}]}, TRIANGLE),
        "claims 3,000 faces; at most 1,000",
    ),
    "cycle.glb": (
        glb(
            {**PARTS, "nodes": [{"children": [1]}, {"children": [0], "mesh": 0}], "scenes": [{"nodes": [0]}]}, TRIANGLE
        ),
        "cannot be read as a mesh",
    ),
    "outside.glb": (glb({**PARTS, "buffers": [{"byteLength": 9, "uri": "/dev/zero"}]}), "not within the file"),
    "picture.glb": (glb({**PARTS, "images": [{"uri": "../../secret.png"}]}), "textures are not within the file"),
    "draco.glb": (glb({**PARTS, "extensionsUsed": ["KHR_draco_mesh_compression"]}), "compressed by KHR_draco"),
    "deep.glb": (
        struct.pack("<4sIIII", b"glTF", 2, 99, 100_000, 0x4E4F534A) + b"[" * 100_000,
        "cannot be read as a mesh",
    ),
    "long.glb": (struct.pack("<4sIIII", b"glTF", 2, 20, 2**32 - 1, 0x4E4F534A), "no header of a GLB"),
    "claims.ply": (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1000000000\nproperty float x\nend_header\n",
        "claims 1,000,000,000 elements in",
    ),
    "faces.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        b"element face 1000000000\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n",
        "claims 1,000,000,003 elements in",
    ),
    "points.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
        b"0 0 0\n1 0 0\n0 1 0\n",
        "holds points but no triangles",
    ),
    "claims.stl": (bytes(80) + struct.pack("<I", BILLION) + bytes(50), "whose size fits its count"),
    "many.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n" + b"f 1 2 3\n" * 2000, "claims 2,000 faces; at most 1,000"),
    "fan.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf" + b" 1 2 3" * 1000, "claims 2,998 faces; at most 1,000"),
    "points.obj": (b"v 0 0 0\nv 1 0 0\n", "holds points but no triangles"),
    "far.obj": (b"v 0 0 2e11\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "from the origin, more than 1e"),
    "inf.obj": (b"v 0 0 inf\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "1 of 3 vertices are not finite"),
    "nan.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 nan\n1 0 0\n0 1 0\n3 0 1 2\n",
        "not finite",
    ),
    "beyond.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 77\n",
        "beyond.ply",
    ),
    "empty.glb": (b"", "cannot be read as a mesh"),
    "empty.obj": (b"", "no triangles"),
    "archive.3mf": (b"PK\x03\x04", "cannot be read as a mesh"),
    "text.gltf": (b"{}", "cannot be read as a mesh"),
    "none": (b"", "cannot be read as a mesh"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_line(tmp_path: Path, name: str):
    content, words = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ViewDistillError, match=words) as caught:
        load_mesh(tmp_path / name, limits=MeshLimits(faces=1000))
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


LIMITED = """
import resource, sys
from pathlib import Path
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.loading import load_mesh

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        load_mesh(path)
    except ViewDistillError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_claims_cost_no_memory(tmp_path: Path):
    for name, (content, _) in HOSTILE.items():
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "hollow.obj").open("wb") as file:
        file.truncate(10**11)
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200, "megabytes"


def test_pipes_and_files_out_of_the_folder_are_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.obj")
    with pytest.raises(ViewDistillError, match="a pipe"):
        load_mesh(tmp_path / "pipe.obj")
    folder = tmp_path / "mesh"
    folder.mkdir()
    os.mkfifo(folder / "pipe.mtl")
    os.mkfifo(folder / "pipe.png")
    (tmp_path / "secret.mtl").write_text("newmtl a\nKd 1 0 0\n")
    (folder / "own.mtl").write_text("newmtl a\nmap_Kd pipe.png\n")
    for library in ("pipe.mtl", "../secret.mtl", "own.mtl", "/dev/zero"):
        (folder / "a.obj").write_text(f"mtllib {library}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl a\nf 1/1 2/1 3/1\n")
        textured = load_mesh(folder / "a.obj").textured
        assert textured is None or textured.texture[0, 0].tolist() != [255, 0, 0]


def test_the_limit_is_named_and_can_be_raised(tmp_path: Path):
    ball = trimesh.creation.icosphere(3)
    ball.export(tmp_path / "a.ply")
    with pytest.raises(ViewDistillError, match="--max-faces"):
        load_mesh(tmp_path / "a.ply", limits=MeshLimits(faces=1000))
    assert len(load_mesh(tmp_path / "a.ply", limits=MeshLimits(faces=2000)).faces) == 1280
    with pytest.raises(ViewDistillError, match="at most 0 MB"):
        check_claims(tmp_path / "a.ply", MeshLimits(megabytes=0))


@pytest.mark.parametrize("ending", ["glb", "obj", "ply", "stl"])
def test_claims_are_the_counts_of_sound_files(tmp_path: Path, ending: str):
    path = tmp_path / f"a.{ending}"
    trimesh.creation.icosphere(2).export(path)
    assert check_claims(path, MeshLimits()).faces == 320
    loaded = load_mesh(path)
    assert len(loaded.faces) == 320
    assert loaded.longest_side == pytest.approx(2.0, rel=0.05)


def test_of_several_scenes_one_is_taken_and_named(tmp_path: Path):
    nodes = [{"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}]
    scenes = [{"nodes": [0]}, {"nodes": [1]}]
    (tmp_path / "a.glb").write_bytes(glb({**PARTS, "nodes": nodes, "scenes": scenes, "scene": 0}, TRIANGLE))
    assert load_mesh(tmp_path / "a.glb").notes == (f"{tmp_path / 'a.glb'}: scene 0 of 2 is used",)


def test_an_enormous_texture_is_refused(tmp_path: Path):
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    square = np.array([[0, -0.5, -0.5], [0, 0.5, -0.5], [0, 0.5, 0.5], [0, -0.5, 0.5]])
    visual = LIBRARY.visual.TextureVisuals(uv=uvs, image=Image.new("RGB", (8, 8)))
    trimesh.Trimesh(square, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False).export(tmp_path / "a.obj")
    (picture,) = tmp_path.glob("*.png")
    Image.new("1", (9_000, 9_000)).save(picture)
    with pytest.raises(ViewDistillError, match="a texture of 9000 x 9000 texels is too large"):
        load_mesh(tmp_path / "a.obj")
    picture.unlink()
    (note,) = load_mesh(tmp_path / "a.obj").notes
    assert "no readable texture" in note


@pytest.fixture(scope="module")
def sound_files() -> dict[str, bytes]:
    """A textured tetrahedron in every format, small enough that most bytes matter."""
    solid = trimesh.creation.icosphere(0, 0.5)
    mesh = texture_mesh(np.array(solid.vertices), np.array(solid.faces), lambda points: points.abs(), 16)
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"viewdistill-claims-{os.getpid()}"
    files: dict[str, bytes] = {}
    for ending in FORMATS:
        if ending != ".ply":
            save_mesh(mesh, folder / f"a{ending}")
            files[ending] = (folder / f"a{ending}").read_bytes()
    solid.export(folder / "a.ply")
    return {**files, ".ply": (folder / "a.ply").read_bytes()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@example(ending=".stl", changes=[(1027, 82)], cut=False)  # finite, and beyond what welding can count
@given(
    ending=st.sampled_from(FORMATS),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.booleans(),
)
def test_changed_bytes_give_a_mesh_or_one_line(
    tmp_path: Path, sound_files: dict[str, bytes], ending: str, changes: list[tuple[int, int]], cut: bool
):
    content = bytearray(sound_files[ending])
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path / f"a{ending}"
    path.write_bytes(content[: changes[0][0] % len(content)] if cut else content)
    try:
        found = load_mesh(path)
        assert np.isfinite(found.vertices).all()
    except ViewDistillError as error:
        assert "\n" not in str(error)  # noqa: PT017
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8_000_000
