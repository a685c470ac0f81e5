"""Meshes on disk: GLB, OBJ with MTL and PNG, STL, and PLY point clouds; the suffix chooses.

World axes (z up, front +x) become those of a file with +Y up and the front towards +Z, as glTF 2.0 has it, by the
rotation (x, y, z) -> (y, z, x). With +Z up, as slicers and CAD have it, the front looks along -Y, by the rotation
(x, y, z) -> (y, -x, z).

Units: GLB, OBJ and PLY hold world units (longest side about 1) unless a size is given; then GLB, OBJ and PLY hold
metres, as glTF 2.0 defines. An STL is in millimetres, as slicers assume, and 100 mm long unless a size is given.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from PIL import Image

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at
from viewdistill.errors import ViewDistillError
from viewdistill.files import write_bytes
from viewdistill.mesh.raster import sample_texture
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.pictures import to_bytes

Up = Literal["y", "z"]
"""A file's up axis."""

WORLD_TO_FILE = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Rotation from world axes to those of a file with +Y up, front +Z."""

WORLD_TO_Z_UP = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Rotation from world axes to those of a file with +Z up, front -Y."""

FORMATS = (".glb", ".obj", ".ply", ".stl")
"""Suffixes of `save_mesh`. USDZ is missing because none of the libraries used here writes it."""

PRINT_SIZE = 0.1
"""Default longest side of an STL, metres."""

CLOUD_POINTS = 200_000
"""Number of points in a PLY."""

METRES = {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "in": 0.0254}
"""Unit → metres."""

LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
"""Constants of glTF 2.0."""


@dataclass(frozen=True)
class FileFrame:
    """Axes and unit of a mesh file."""

    up: Up | None = None
    """Up axis; by default z for STL and y for the others."""
    size: float | None = None
    """Longest side of the object's box, metres; see the module for the default."""


@dataclass(frozen=True)
class InputCamera:
    """The input image's camera."""

    elevation: float
    """Degrees above the horizon."""
    azimuth: float = 0.0
    """Degrees; 0 by definition of the world."""
    distance: float = DISTANCE
    """World units from the origin."""
    fovy: float = FOVY_ZERO123
    """Vertical field of view, degrees."""

    def extras(self, scale: float = 1.0) -> dict[str, Any]:
        """Return the camera's entry in a GLB; ``c2w`` is in the file's axes and unit, row-major."""
        angles = (torch.tensor(value, dtype=torch.float64) for value in (self.azimuth, self.elevation, self.distance))
        c2w = look_at(*angles).numpy()
        c2w[:3] = WORLD_TO_FILE @ c2w[:3]
        c2w[:3, 3] *= scale
        return {
            "elevation_deg": self.elevation,
            "azimuth_deg": self.azimuth,
            "distance": self.distance * scale,
            "fovy_deg": self.fovy,
            "c2w": np.round(c2w, 9).tolist(),
        }


def parse_size(text: str) -> float:
    """Parse a length with a unit, such as 0.1m, 10cm, 100mm or 4in, to metres.

    Raises:
        ViewDistillError: The text is no length, or the length is not between 0.1 mm and 1,000 m.
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(mm|cm|m|in)\s*", text)
    size = float(found[1]) * METRES[found[2]] if found else 0.0
    if not 1e-4 <= size <= 1e3:
        raise ViewDistillError(f"size {text!r}: give a length with its unit from 0.1mm to 1000m, such as 0.1m or 100mm")
    return size


def save_mesh(
    mesh: TexturedMesh, path: Path, frame: FileFrame | None = None, camera: InputCamera | None = None
) -> None:
    """Write a mesh in the format of the suffix, in the axes and the unit of a frame.

    Args:
        mesh: The mesh, in world axes.
        path: File to write, see `FORMATS`; replaced only by a complete one.
        frame: Axes and unit; the defaults of the format when not given.
        camera: The input camera; stored in a GLB only.

    Raises:
        ViewDistillError: The suffix is unknown, the frame has +Z up for a GLB, or the file system refuses.
    """
    frame, ending = frame or FileFrame(), path.suffix.lower()
    check_file(path, frame)
    scale = file_scale(mesh, ending, frame.size)
    if ending == ".glb":
        save_glb(mesh, path, camera or InputCamera(0.0), scale)
        return
    turned = in_file_axes(mesh, frame.up or ("z" if ending == ".stl" else "y"), scale)
    if ending == ".obj":
        _write_obj(turned, path, frame)
    elif ending == ".ply":
        _write_cloud(turned, path)
    else:
        _write_stl(turned, path, frame)


def check_file(path: Path, frame: FileFrame) -> None:
    """Reject, before any work, arguments that `save_mesh` would reject.

    Raises:
        ViewDistillError: The suffix is unknown, or the frame has +Z up for a GLB.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ViewDistillError(f"{path}: the name must end in one of {', '.join(FORMATS)}")
    if ending == ".glb" and frame.up == "z":
        raise ViewDistillError(f"{path}: glTF is defined with +Y up; write an OBJ, PLY or STL for +Z up")


def file_scale(mesh: TexturedMesh, ending: str, size: float | None) -> float:
    """Return the factor from world units to those of a file."""
    if size is None and ending != ".stl":
        return 1.0
    side = float(np.ptp(mesh.vertices, axis=0).max()) if len(mesh.vertices) else 1.0
    return (size or PRINT_SIZE) / max(side, 1e-9) * (1000.0 if ending == ".stl" else 1.0)


def in_file_axes(mesh: TexturedMesh, up: Up, scale: float) -> TexturedMesh:
    """Return the mesh in the axes and the unit of a file."""
    rotation = WORLD_TO_FILE if up == "y" else WORLD_TO_Z_UP
    vertices = (mesh.vertices @ rotation.T * scale).astype(np.float32)
    return replace(mesh, vertices=vertices, normals=(mesh.normals @ rotation.T).astype(np.float32))


def save_glb(mesh: TexturedMesh, path: Path, camera: InputCamera, scale: float = 1.0) -> None:
    """Write a GLB: +Y up, base-colour texture, normals, and the input camera in the scene's ``extras``.

    Args:
        mesh: The mesh, in world axes.
        path: File to write; replaced only by a complete one.
        camera: Goes to ``extras["input_camera"]``.
        scale: Factor on all lengths.

    Raises:
        ViewDistillError: The file system refuses.
    """
    library: Any = trimesh
    material = library.visual.material.PBRMaterial(
        name="base_color", baseColorTexture=Image.fromarray(mesh.texture), metallicFactor=0.0, roughnessFactor=1.0
    )
    scene = library.Scene()
    scene.add_geometry(_textured_body(in_file_axes(mesh, "y", scale), material), node_name="object", geom_name="object")
    scene.metadata["input_camera"] = camera.extras(scale)
    write_bytes(
        path, library.exchange.gltf.export_glb(scene, include_normals=True, tree_postprocessor=_say_how_to_sample)
    )


def _say_how_to_sample(tree: dict[str, Any]) -> None:
    """Complete trimesh's tree: clamp textures at their border, and set the target of every buffer view."""
    tree["samplers"] = [
        {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}
    ]
    for texture in tree.get("textures", []):
        texture["sampler"] = 0
    for primitive in (primitive for mesh in tree["meshes"] for primitive in mesh["primitives"]):
        targets = [(primitive["indices"], ELEMENT_ARRAY_BUFFER)]
        targets += [(accessor, ARRAY_BUFFER) for accessor in primitive["attributes"].values()]
        for accessor, target in targets:
            tree["bufferViews"][tree["accessors"][accessor]["bufferView"]]["target"] = target


def _matt_material(mesh: TexturedMesh, name: str) -> Any:
    """Return the material of an OBJ: white, so that readers multiply the texture by 1."""
    library: Any = trimesh
    black, white = (0, 0, 0, 255), (255, 255, 255, 255)
    return library.visual.material.SimpleMaterial(
        image=Image.fromarray(mesh.texture), diffuse=white, ambient=black, specular=black, name=name
    )


def _textured_body(mesh: TexturedMesh, material: Any) -> Any:
    """Convert the mesh to trimesh's class."""
    library: Any = trimesh
    visual = library.visual.TextureVisuals(uv=mesh.uvs, material=material)
    return library.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, visual=visual, process=False)


def _write_obj(mesh: TexturedMesh, path: Path, frame: FileFrame) -> None:
    """Write the OBJ after its MTL and PNG, so that it never refers to a missing file."""
    library: Any = trimesh
    up, front = ("+Z", "-Y") if frame.up == "z" else ("+Y", "+Z")
    unit = "metres" if frame.size else "longest side about 1"
    text, files = library.exchange.obj.export_obj(
        _textured_body(mesh, _matt_material(mesh, path.stem)),
        include_normals=True,
        return_texture=True,
        digits=6,
        mtl_name=f"{path.stem}.mtl",
        header=f"ViewDistill mesh; {up} up, front {front}; {unit}",
    )
    for name, content in files.items():
        write_bytes(path.with_name(name), content)
    write_bytes(path, text.encode())


def _write_stl(mesh: TexturedMesh, path: Path, frame: FileFrame) -> None:
    """Write a binary STL: geometry alone, vertices along seams welded."""
    library: Any = trimesh
    body = library.Trimesh(mesh.vertices, mesh.faces, process=False)
    body.merge_vertices(merge_tex=True, merge_norm=True)
    content: bytes = library.exchange.stl.export_stl(body)
    axes = "+Y up, front +Z" if frame.up == "y" else "+Z up, front -Y"
    # The format's only field for text; must not begin with "solid", the signature of text STL.
    header = f"ViewDistill mesh; {axes}; millimetres, longest side {float(np.ptp(mesh.vertices, axis=0).max()):.4g}"
    write_bytes(path, header.encode()[:80].ljust(80) + content[80:])


def _write_cloud(mesh: TexturedMesh, path: Path) -> None:
    """Write a binary PLY of points drawn uniformly by area, with normals and colours."""
    library: Any = trimesh
    body = library.Trimesh(mesh.vertices, mesh.faces, process=False)
    points, face = library.sample.sample_surface(body, CLOUD_POINTS, seed=0)
    weights = library.triangles.points_to_barycentric(body.triangles[face], points)[..., None]
    corners = mesh.faces[face]
    normals = (mesh.normals[corners] * weights).sum(1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-8)
    colors = to_bytes(sample_texture(mesh.texture, (mesh.uvs[corners] * weights).sum(1).astype(np.float32)))
    cloud = library.Trimesh(points, vertex_normals=normals, vertex_colors=_opaque(colors), process=False)
    write_bytes(path, library.exchange.ply.export_ply(cloud, vertex_normal=True))


def _opaque(rgb: Float[np.ndarray, "n 3"] | np.ndarray) -> np.ndarray:
    return np.concatenate([rgb, np.full((len(rgb), 1), 255, np.uint8)], 1)
