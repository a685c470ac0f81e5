"""Claimed sizes of a user's mesh file, checked before any memory is allocated for it.

A few bytes can claim 10^9 faces, a node tree can show one mesh a million times, and a text can be endless. Counts are
read from headers alone and compared with the file's size and with limits that the user may raise.
"""

import json
import re
import struct
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from trimesh.resolvers import Resolver

from viewdistill.documents import check_depth
from viewdistill.errors import ViewDistillError
from viewdistill.files import inside, read_bytes, require_regular

ENDINGS = (".glb", ".obj", ".ply", ".stl")
"""Supported formats. Archives (3MF, USDZ, ZIP) and formats with arbitrary references (glTF as text) are excluded."""

ADVICE = "give a GLB, OBJ, PLY or STL file"

LARGEST_HEADER = 64 << 20
"""Largest JSON of a GLB and largest header of a PLY, bytes."""

COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression")
"""Extensions of glTF that can unpack to any size."""

TRIANGLES, TRIANGLE_STRIP, TRIANGLE_FAN = 4, 5, 6
"""Modes of a glTF primitive that form faces."""


@dataclass(frozen=True)
class MeshLimits:
    """Limits on a user's mesh."""

    faces: int = 5_000_000
    """Largest number of triangles, and of vertices; ``--max-faces`` raises it. 5 million take about 2 GB."""
    megabytes: int = 2_000
    """Largest total size of the file and its references, megabytes."""


@dataclass(frozen=True)
class Claims:
    """A file's claims about its content."""

    faces: int
    """Triangles; the polygons of an OBJ or PLY may become more."""
    vertices: int
    """Positions."""
    scenes: int = 1
    """Scenes of a GLB; one of them is shown."""
    shown: int | None = None
    """Index of the scene shown."""


def check_claims(path: Path, limits: MeshLimits) -> Claims:
    """Read a mesh file's claims and compare them with limits.

    Args:
        path: The file.
        limits: The limits.

    Raises:
        ViewDistillError: The file is missing, of an unknown kind, too large, or claims more than it holds or than the
            limits allow.
    """
    size = require_regular(path, ADVICE).st_size
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ViewDistillError(f"{path}: cannot be read as a mesh (ending {ending or 'missing'}); {ADVICE}")
    if size > limits.megabytes * 10**6:
        raise ViewDistillError(f"{path}: {size / 1e6:,.0f} MB; at most {limits.megabytes:,} MB are read")
    try:
        claims = {".glb": _glb, ".obj": _obj, ".ply": _ply, ".stl": _stl}[ending](path, size)
    except OSError as error:
        raise ViewDistillError(f"{path}: cannot be read ({error.strerror or error}); {ADVICE}") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise ViewDistillError(
            f"{path}: cannot be read as a mesh ({error or 'nested too deeply'}); {ADVICE}"
        ) from error
    for kind, count in (("faces", claims.faces), ("vertices", claims.vertices)):
        if count > limits.faces:
            raise ViewDistillError(
                f"{path}: claims {count:,} {kind}; at most {limits.faces:,} are read: "
                "simplify the mesh, or raise the limit with --max-faces"
            )
    return claims


def _stl(path: Path, size: int) -> Claims:
    with path.open("rb") as file:
        header = file.read(84)
    if len(header) == 84:
        (count,) = struct.unpack("<I", header[80:])
        if 84 + 50 * count == size:
            return Claims(count, 3 * count)
    if not header.lstrip().startswith(b"solid"):
        raise ValueError("neither a text STL nor a binary one whose size fits its count of faces")
    # A facet of a text STL takes at least 60 bytes.
    return Claims(size // 60, 3 * (size // 60))


def _obj(path: Path, size: int) -> Claims:
    faces = vertices = 0
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"f "):
                faces += max(1, len(line.split()) - 3)
            elif line.startswith(b"v "):
                vertices += 1
    return Claims(faces, vertices)


def _ply(path: Path, size: int) -> Claims:
    with path.open("rb") as file:
        start = file.read(min(size, LARGEST_HEADER))
    header, end, _ = start.partition(b"end_header")
    if not end or not header.startswith(b"ply"):
        raise ValueError("no header of a PLY")
    counts = {m[1]: int(m[2]) for m in re.finditer(rb"^\s*element\s+(\S+)\s+(\d{1,18})\s*$", header, re.MULTILINE)}
    body = size - len(header) - len(end)
    if sum(counts.values()) > body:
        raise ValueError(f"claims {sum(counts.values()):,} elements in {body:,} bytes")
    return Claims(counts.get(b"face", 0), counts.get(b"vertex", 0))


def _glb(path: Path, size: int) -> Claims:
    with path.open("rb") as file:
        magic, version, _, length, kind = struct.unpack("<4sIIII", file.read(20))
        if (magic, version, kind) != (b"glTF", 2, 0x4E4F534A) or length > min(size - 20, LARGEST_HEADER):
            raise ValueError("no header of a GLB, version 2")
        tree: Any = json.loads(file.read(length))
    check_depth(tree)
    if used := set(tree.get("extensionsUsed", [])) & set(COMPRESSED):
        raise ValueError(f"compressed by {used.pop()}, which is not read")
    for buffer in tree.get("buffers", []):
        if "uri" in buffer or int(buffer["byteLength"]) > size:
            raise ValueError("its buffers are not within the file")
    for image in tree.get("images", []):
        if "uri" in image and not str(image["uri"]).startswith("data:"):
            raise ValueError("its textures are not within the file")
    for accessor in tree.get("accessors", []):
        if not 0 <= int(accessor["count"]) <= size or "sparse" in accessor:
            raise ValueError(f"an accessor claims {accessor['count']:,} elements in {size:,} bytes")
    scenes = tree.get("scenes", [])
    faces, vertices = _shown_counts(tree)
    return Claims(faces, vertices, len(scenes), int(tree.get("scene", 0)) if scenes else None)


def _shown_counts(tree: dict[str, Any]) -> tuple[int, int]:
    """Return faces and vertices of all nodes; a mesh counts as often as nodes show it."""
    counts = [0] * len(tree.get("accessors", []))
    for index, accessor in enumerate(tree.get("accessors", [])):
        counts[index] = int(accessor["count"])
    sizes: list[tuple[int, int]] = []
    for mesh in tree.get("meshes", []):
        faces = vertices = 0
        for primitive in mesh["primitives"]:
            positions = counts[primitive["attributes"]["POSITION"]]
            corners = counts[primitive["indices"]] if "indices" in primitive else positions
            mode = primitive.get("mode", TRIANGLES)
            faces += corners // 3 if mode == TRIANGLES else corners * (mode in (TRIANGLE_STRIP, TRIANGLE_FAN))
            vertices += positions
        sizes.append((faces, vertices))
    nodes = tree.get("nodes", [])
    parents = [child for node in nodes for child in node.get("children", [])]
    # glTF demands trees: a node with two parents would be shown twice, and chains of them exponentially often.
    if len(parents) != len(set(parents)):
        raise ValueError("its nodes are not trees")
    TopologicalSorter({index: node.get("children", []) for index, node in enumerate(nodes)}).prepare()
    shown = [sizes[node["mesh"]] for node in nodes if "mesh" in node]
    return sum(faces for faces, _ in shown), sum(vertices for _, vertices in shown)


class OwnFolder(Resolver):
    """Resolver for trimesh of the files that a mesh refers to: only regular, bounded files of its own folder.

    Args:
        path: The mesh.
        limits: Bounds of the files.
    """

    def __init__(self, path: Path, limits: MeshLimits) -> None:
        self.folder, self.limits = path.parent, limits

    def get(self, key: str) -> bytes:
        """Return the content of a file by its name; after an exception trimesh continues without the file.

        Raises:
            ViewDistillError: The file is outside the folder, not a regular file, or too large.
        """
        return read_bytes(inside(self.folder, key.strip()), limit=self.limits.megabytes * 10**6)

    def write(self, name: str, data: Any) -> None:
        """Refuse to write: the resolver is for reading only.

        Raises:
            ViewDistillError: Always.
        """
        raise ViewDistillError(f"{self.folder}: {name!r} is not to be written")

    def namespaced(self, namespace: str) -> "OwnFolder":
        """Return the resolver of a subfolder.

        Raises:
            ViewDistillError: The subfolder lies outside the folder.
        """
        return OwnFolder(inside(self.folder, namespace) / "mesh", self.limits)

    def keys(self) -> list[str]:
        """Return the names of files known in advance: none."""
        return []
