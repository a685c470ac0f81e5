"""The common mesh type: triangles with a base-colour texture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8


@dataclass(frozen=True)
class TexturedMesh:
    """Triangles in world space (z up, front towards +x) with one base-colour texture.

    Vertices are split along texture seams, so the same position may occur several times.
    """

    vertices: Float[np.ndarray, "v 3"]
    """Positions, world units, float32."""
    faces: Int[np.ndarray, "f 3"]
    """Vertex indices, counter-clockwise seen from outside, int64."""
    uvs: Float[np.ndarray, "v 2"]
    """Texture coordinates in [0, 1]; (0, 0) is the lower left corner of the picture (OpenGL and OBJ convention)."""
    texture: UInt8[np.ndarray, "t t 3"]
    """Base colour, sRGB as in the input image; row 0 is the top of the picture (v = 1)."""
    normals: Float[np.ndarray, "v 3"]
    """Unit normals pointing outwards, float32; equal on both sides of a seam."""


def vertex_normals(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "v 3"]:
    """Return unit vertex normals, face normals weighted by area; +z for a vertex that no proper face touches."""
    corners = vertices[faces].astype(np.float64)
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(vertices), 3))
    for axis in range(3):
        normals[:, axis] = np.bincount(faces.ravel(), np.repeat(weighted[:, axis], 3), minlength=len(vertices))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-20, normals / np.maximum(length, 1e-20), [0.0, 0.0, 1.0]).astype(np.float32)
