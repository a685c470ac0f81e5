"""Meshes of any origin with any form of colour: textures, colours of vertices or faces, one colour, or none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int, UInt8
from PIL import Image

from viewdistill.errors import ViewDistillError
from viewdistill.input.decoding import read_image
from viewdistill.mesh.claims import ADVICE, Claims, MeshLimits, OwnFolder, check_claims
from viewdistill.mesh.export import WORLD_TO_FILE, Up
from viewdistill.mesh.textured_mesh import TexturedMesh, vertex_normals
from viewdistill.schema import in_few_words

FARTHEST = 1e9
"""Largest coordinate: welding counts in steps of 1e-8, which overflow beyond 9e10."""

GSO_MODEL = Path("meshes") / "model.obj"
"""Path of the mesh in an object of Google Scanned Objects."""

GSO_TEXTURES = (Path("materials") / "textures" / "texture.png", Path("meshes") / "texture.png", Path("texture.png"))
"""Possible paths of its texture."""

LARGEST_TEXTURE = 8_192 * 8_192
"""Largest number of texels in a texture."""


@dataclass(frozen=True)
class LoadedMesh:
    """A mesh file in world axes."""

    vertices: Float[np.ndarray, "v 3"]
    """Positions in the file's unit, float64."""
    faces: Int[np.ndarray, "f 3"]
    """Triangles."""
    textured: TexturedMesh | None
    """The same triangles with their colour; None for a file without colour."""
    notes: tuple[str, ...] = ()
    """Notes on the reading, for the user."""

    @property
    def longest_side(self) -> float:
        """Longest side of the box around all triangles, in the file's unit."""
        return float(np.ptp(self.vertices[self.faces].reshape(-1, 3), axis=0).max())


def gso_folder(path: Path) -> bool:
    """Return whether a path is the folder of an object of Google Scanned Objects."""
    return (path / GSO_MODEL).is_file()


def load_gso(folder: Path, up: Up = "z", limits: MeshLimits | None = None) -> LoadedMesh:
    """Load an object of Google Scanned Objects: ``meshes/model.obj``, z up as published, with its ``texture.png``.

    Raises:
        ViewDistillError: The mesh or the texture cannot be read.
    """
    textures = [folder / path for path in GSO_TEXTURES if (folder / path).is_file()]
    image = read_image(textures[0]) if textures else None
    return load_mesh(folder / GSO_MODEL, up, image, limits)


def load_mesh(
    path: Path, up: Up = "y", image: Image.Image | None = None, limits: MeshLimits | None = None
) -> LoadedMesh:
    """Read a mesh with its colour; the parts of a scene are joined at the places the scene puts them.

    Args:
        path: The file.
        up: Its up axis.
        image: The texture, if the file does not name it.
        limits: Limits on the mesh, checked against the file's claims first.

    Raises:
        ViewDistillError: The file is missing, cannot be read, claims too much, holds no triangles, or holds non-finite
            positions.
    """
    limits = limits or MeshLimits()
    claims = check_claims(path, limits)
    if claims.faces == 0:
        what = "points but no triangles" if claims.vertices else "no triangles"
        raise ViewDistillError(f"{path}: holds {what}; give a mesh with faces")
    try:
        return _read(path, up, image, limits, claims)
    except ViewDistillError:
        raise
    except Exception as problem:  # loaders raise nearly anything on arbitrary bytes; for textures not until the copy
        raise ViewDistillError(f"{path}: cannot be read as a mesh ({in_few_words(problem)}); {ADVICE}") from problem


def _read(path: Path, up: Up, image: Image.Image | None, limits: MeshLimits, claims: Claims) -> LoadedMesh:
    """Load a mesh whose claims are within the limits, for `load_mesh`."""
    mesh = _joined(path, limits)
    vertices, faces = np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64)
    if len(faces) == 0:
        raise ViewDistillError(f"{path}: holds no triangles; give a mesh with faces")
    notes = [f"{path}: scene {claims.shown} of {claims.scenes} is used"] if claims.scenes > 1 else []
    visual = mesh.visual
    if visual.kind == "texture" and getattr(visual, "uv", None) is not None and _image(visual, image) is None:
        notes.append(f"{path}: has texture coordinates but no readable texture; one colour is used")
    world = vertices @ (WORLD_TO_FILE if up == "y" else np.eye(3))
    return LoadedMesh(world, faces, _textured(world, faces, visual, image), tuple(notes))


def _joined(path: Path, limits: MeshLimits) -> Any:
    """Join all parts of a file into one trimesh mesh; equal vertices are welded within each part."""
    library: Any = trimesh
    with path.open("rb") as file:
        scene = library.load_scene(
            file, file_type=path.suffix[1:].lower(), resolver=OwnFolder(path, limits), process=False
        )
    parts = [part for part in scene.geometry.values() if hasattr(part, "faces")]
    for part in parts:
        strange = int((~np.isfinite(part.vertices)).any(1).sum())
        if strange:
            raise ViewDistillError(
                f"{path}: {strange} of {len(part.vertices)} vertices are not finite; export the mesh again"
            )
        if len(part.vertices) and (farthest := float(np.abs(part.vertices).max())) > FARTHEST:
            raise ViewDistillError(
                f"{path}: a vertex is {farthest:.3g} from the origin, more than {FARTHEST:g}; "
                "scale the mesh and export it again"
            )
        if len(part.faces) and not 0 <= int(part.faces.min()) <= int(part.faces.max()) < len(part.vertices):
            raise ViewDistillError(f"{path}: faces refer to missing vertices; export the mesh again")
        part.process(validate=False)
    joined = scene.to_mesh()
    # The scene's transforms may overflow although the file's numbers do not.
    if not np.isfinite(joined.vertices).all():
        raise ViewDistillError(f"{path}: its node transforms overflow; export the mesh again")
    return joined


def _textured(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], visual: Any, image: Image.Image | None
) -> TexturedMesh | None:
    """Convert any form of colour to one texture."""
    if visual.kind == "texture":
        uvs = getattr(visual, "uv", None)
        image = _image(visual, image)
        if image is not None and image.size[0] * image.size[1] > LARGEST_TEXTURE:
            width, height = image.size
            raise ViewDistillError(f"a texture of {width} x {height} texels is too large; make it smaller")
        if uvs is not None and image is not None:
            return _with_texture(vertices, faces, np.asarray(uvs, dtype=np.float32), image)
        uniform = np.asarray(visual.material.main_color, dtype=np.uint8)[:3]
        return _with_corner_colors(vertices, faces, np.broadcast_to(uniform, (len(faces), 3, 3)))
    if visual.kind == "vertex":
        return _with_corner_colors(vertices, faces, np.asarray(visual.vertex_colors, dtype=np.uint8)[faces][..., :3])
    if visual.kind == "face":
        colors = np.asarray(visual.face_colors, dtype=np.uint8)[:, None, :3]
        return _with_corner_colors(vertices, faces, np.repeat(colors, 3, axis=1))
    return None


def _image(visual: Any, image: Image.Image | None) -> Image.Image | None:
    """Return the given texture, else the material's own."""
    return image or getattr(visual.material, "image", None) or getattr(visual.material, "baseColorTexture", None)


def _with_texture(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], uvs: Float[np.ndarray, "v 2"], image: Image.Image
) -> TexturedMesh:
    """Make the texture square, and move faces in another repeat of it to the first."""
    normals = vertex_normals(vertices, faces)
    corners = uvs[faces]
    repeat = np.floor(corners.min(1) + 1e-6)
    if (repeat != 0).any():
        uvs = (corners - repeat[:, None]).reshape(-1, 2).astype(np.float32)
        vertices, normals, faces = vertices[faces.ravel()], normals[faces.ravel()], _loose(len(faces))
    side = max(image.size)
    square = np.array(image.convert("RGB").resize((side, side)) if min(image.size) < side else image.convert("RGB"))
    return TexturedMesh(vertices.astype(np.float32), faces, uvs, square, normals)


def _with_corner_colors(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], colors: UInt8[np.ndarray, "f 3 3"]
) -> TexturedMesh:
    """Store colours of corners as 2 x 2 texels per face; bilinear look-up is linear between their centres.

    The fourth texel continues the plane through the other three, within 8 bits.
    """
    columns = int(np.ceil(np.sqrt(len(faces))))
    row, column = np.divmod(np.arange(len(faces)), columns)
    first, second, third = (colors[:, k].astype(np.int64) for k in range(3))
    texture = np.zeros((2 * columns, 2 * columns, 3), dtype=np.uint8)
    texture[2 * row, 2 * column] = first
    texture[2 * row, 2 * column + 1] = second
    texture[2 * row + 1, 2 * column] = third
    texture[2 * row + 1, 2 * column + 1] = (second + third - first).clip(0, 255)
    x = (2 * column[:, None] + 0.5 + np.array([0, 1, 0])) / (2 * columns)
    y = (2 * row[:, None] + 0.5 + np.array([0, 0, 1])) / (2 * columns)
    uvs = np.stack([x, 1 - y], -1).reshape(-1, 2).astype(np.float32)
    normals = vertex_normals(vertices, faces)[faces.ravel()]
    return TexturedMesh(vertices[faces.ravel()].astype(np.float32), _loose(len(faces)), uvs, texture, normals)


def _loose(faces: int) -> Int[np.ndarray, "faces 3"]:
    """Split triangles so that they share no vertices."""
    return np.arange(3 * faces).reshape(-1, 3)
