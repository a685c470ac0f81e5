"""Texture atlases through xatlas."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xatlas
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Atlas:
    """A mesh cut open along seams."""

    source: Int[np.ndarray, " v"]
    """Index of the original of every new vertex."""
    faces: Int[np.ndarray, "f 3"]
    """Triangles as indices of new vertices, in the order of the old triangles."""
    uvs: Float[np.ndarray, "v 2"]
    """Texture coordinates of the new vertices in [0, 1], (0, 0) at the lower left."""


def unwrap(
    vertices: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "f 3"],
    texture_size: int = 1024,
    padding: int = 3,
) -> Atlas:
    """Cut a mesh into charts and pack them into the unit square.

    Args:
        vertices: Positions, world units.
        faces: Triangles.
        texture_size: Side of the atlas's texture, texels.
        padding: Distance between charts, texels.
    """
    library: Any = xatlas
    generator = library.Atlas()
    generator.add_mesh(vertices.astype(np.float32), faces.astype(np.uint32))
    charts, packing = library.ChartOptions(), library.PackOptions()
    # Fewer, larger charts than by default, because seams are visible in a texture.
    charts.max_cost = 4.0
    charts.normal_deviation_weight = 1.0
    packing.resolution = texture_size
    packing.padding = padding
    packing.bilinear = True
    generator.generate(charts, packing)
    source, new_faces, uvs = generator[0]
    return Atlas(source.astype(np.int64), new_faces.astype(np.int64), np.clip(uvs, 0, 1).astype(np.float32))
