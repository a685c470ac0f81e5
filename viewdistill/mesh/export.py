"""Meshes on disk: GLB, OBJ and STL, all with +Y up and the front towards +Z as glTF 2.0 has it.

World axes (z up, front +x) become file axes by the rotation (x, y, z) -> (y, z, x).
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Float, Int
from PIL import Image

from viewdistill.cameras import look_at
from viewdistill.errors import ViewDistillError
from viewdistill.files import atomic_path
from viewdistill.mesh.textured_mesh import TexturedMesh

WORLD_TO_FILE = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Rotation from world axes to those of a file."""

STL_HEADER = b"ViewDistill mesh, +Y up, front +Z; longest side of the object about 1"
"""Start of every STL, which has no other place for words; must not begin with ``solid``, the mark of text files."""


@dataclass(frozen=True)
class InputCamera:
    """The camera that the input image was taken with."""

    elevation: float
    """Degrees above the horizon."""
    azimuth: float = 0.0
    """Degrees; 0 by definition of the world."""
    distance: float = 1.5
    """World units from the origin."""
    fovy: float = 49.134
    """Vertical field of view, degrees."""

    def extras(self) -> dict[str, Any]:
        """What a GLB says about it; ``c2w`` is in the file's axes, rows first."""
        angles = (torch.tensor(value, dtype=torch.float64) for value in (self.azimuth, self.elevation, self.distance))
        c2w = look_at(*angles).numpy()
        c2w[:3] = WORLD_TO_FILE @ c2w[:3]
        return {
            "elevation_deg": self.elevation,
            "azimuth_deg": self.azimuth,
            "distance": self.distance,
            "fovy_deg": self.fovy,
            "c2w": np.round(c2w, 9).tolist(),
        }


def save_glb(mesh: TexturedMesh, path: Path, camera: InputCamera) -> None:
    """Writes a GLB: +Y up, base-colour texture, normals, and the input camera in the scene's ``extras``.

    Args:
        mesh: The mesh, in world axes.
        path: File to write; replaced only when the new one is whole.
        camera: Goes to ``extras["input_camera"]``.
    """
    library: Any = trimesh
    material = library.visual.material.PBRMaterial(
        name="base_color",
        baseColorTexture=Image.fromarray(mesh.texture),
        metallicFactor=0.0,
        roughnessFactor=1.0,
    )
    body = library.Trimesh(
        mesh.vertices @ WORLD_TO_FILE.T,
        mesh.faces,
        vertex_normals=mesh.normals @ WORLD_TO_FILE.T,
        visual=library.visual.TextureVisuals(uv=mesh.uvs, material=material),
        process=False,
    )
    scene = library.Scene()
    scene.add_geometry(body, node_name="object", geom_name="object")
    scene.metadata["input_camera"] = camera.extras()
    with atomic_path(path) as temporary:
        temporary.write_bytes(library.exchange.gltf.export_glb(scene, include_normals=True))


def save_obj(mesh: TexturedMesh, path: Path) -> None:
    """Writes an OBJ with its MTL and PNG beside it (same stem), +Y up.

    Each of the three is replaced only when whole, and the OBJ last, so that it never refers to something missing.
    """
    with atomic_path(path.with_suffix(".png")) as temporary:
        Image.fromarray(mesh.texture).save(temporary)
    with atomic_path(path.with_suffix(".mtl")) as temporary:
        lines = ["newmtl base_color", "Ka 0 0 0", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1", f"map_Kd {path.stem}.png"]
        temporary.write_text("\n".join(lines) + "\n")
    with atomic_path(path) as temporary:
        temporary.write_text(_obj_text(mesh, path.stem))


def save_stl(mesh: TexturedMesh, path: Path) -> None:
    """Writes a binary STL for printing: geometry alone, +Y up like the other files, vertices along seams welded.

    Slicers take +Z for up, so that the object lies on its back there until it is turned by 90 degrees about x.
    """
    library: Any = trimesh
    body = library.Trimesh(mesh.vertices @ WORLD_TO_FILE.T, mesh.faces, process=False)
    body.merge_vertices(merge_tex=True, merge_norm=True)
    content: bytes = library.exchange.stl.export_stl(body)
    with atomic_path(path) as temporary:
        temporary.write_bytes(STL_HEADER.ljust(80) + content[80:])


def _obj_text(mesh: TexturedMesh, stem: str) -> str:
    text = io.StringIO()
    text.write(f"# +Y up, front +Z\nmtllib {stem}.mtl\no object\n")
    for keyword, rows in (
        ("v", mesh.vertices @ WORLD_TO_FILE.T),
        ("vt", mesh.uvs),
        ("vn", mesh.normals @ WORLD_TO_FILE.T),
    ):
        np.savetxt(text, rows, fmt=f"{keyword} " + " ".join(["%.6f"] * rows.shape[1]))
    text.write("usemtl base_color\n")
    np.savetxt(text, np.repeat(mesh.faces + 1, 3, axis=1), fmt="f %d/%d/%d %d/%d/%d %d/%d/%d")
    return text.getvalue()


def load_geometry(path: Path) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Reads the triangles of a mesh file with +Y up and the front towards +Z, back into world axes.

    All parts of a scene are joined, at the places the scene puts them; vertices that were split along seams are welded.

    Raises:
        ViewDistillError: If the file cannot be read or holds no triangles.
    """
    library: Any = trimesh
    try:
        mesh = library.load(path, force="mesh")
        vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64)
    except Exception as problem:
        advice = "give a GLB, OBJ, PLY or STL file"
        raise ViewDistillError(f"{path}: cannot be read as a mesh ({problem}); {advice}") from problem
    if len(faces) == 0:
        raise ViewDistillError(f"{path}: holds no triangles; give a mesh with faces")
    welded = library.Trimesh(vertices, faces, process=False)
    welded.merge_vertices(merge_tex=True, merge_norm=True)
    return np.array(welded.vertices) @ WORLD_TO_FILE, np.array(welded.faces, dtype=np.int64)
