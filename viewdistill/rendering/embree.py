"""Ray casting against triangle meshes through Embree; the only module that uses it.

Names: ``origins`` and ``directions`` of rays, ``face`` the index of the triangle hit, ``barycentric`` the weights of
its three corners at the hit point.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene as NativeScene
from jaxtyping import Float, Int, Shaped

RAYS_PER_CAST = 1 << 20
"""Rays per call of Embree; bounds the memory of its float32 copies to about 60 MB."""


@dataclass(frozen=True)
class Hits:
    """First hits of N rays."""

    face: Int[np.ndarray, " n"]
    """Index of the triangle hit; -1 where the ray hits nothing."""
    distance: Float[np.ndarray, " n"]
    """Distance along the ray in units of the direction's length; infinity where the ray hits nothing."""
    barycentric: Float[np.ndarray, "n 3"]
    """Weights of the triangle's three corners; zero where the ray hits nothing."""

    @property
    def hit(self) -> Shaped[np.ndarray, " n"]:
        """Boolean: whether the ray hits anything."""
        return self.face >= 0

    def interpolate(
        self, faces: Int[np.ndarray, "f 3"], attribute: Shaped[np.ndarray, "v c"]
    ) -> Float[np.ndarray, "n c"]:
        """Interpolate a per-vertex attribute at the hit points; zero where the ray hits nothing."""
        result = np.zeros((len(self.face), attribute.shape[1]), dtype=np.float64)
        corners = attribute[faces[self.face[self.hit]]]
        result[self.hit] = np.einsum("nkc,nk->nc", corners, self.barycentric[self.hit])
        return result


class EmbreeScene:
    """A triangle mesh that rays can be cast against.

    Embree works in float32: positions are accurate to about 1e-7 of the mesh's size. A mesh without faces is allowed
    and never hit.

    Args:
        vertices: Positions, world units.
        faces: Vertex indices of each triangle.
    """

    def __init__(self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> None:
        self._scene: Any = NativeScene()
        if len(faces) > 0:
            TriangleMesh(
                self._scene,
                np.ascontiguousarray(vertices, dtype=np.float32),
                np.ascontiguousarray(faces, dtype=np.int32),
            )

    def cast(self, origins: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"]) -> Hits:
        """Find the first triangle that each ray hits, from either side.

        Args:
            origins: Starting points of the rays, world units.
            directions: Directions of the rays, of any non-zero length.

        Returns:
            The hits, one per ray.
        """
        count = len(origins)
        face = np.full(count, -1, dtype=np.int64)
        distance = np.full(count, np.inf, dtype=np.float32)
        barycentric = np.zeros((count, 3), dtype=np.float32)
        for start in range(0, count, RAYS_PER_CAST):
            part = slice(start, start + RAYS_PER_CAST)
            answer = self._scene.run(
                np.ascontiguousarray(origins[part], dtype=np.float32),
                np.ascontiguousarray(directions[part], dtype=np.float32),
                output=1,
            )
            face[part] = answer["primID"]
            hit = face[part] >= 0
            distance[part] = np.where(hit, answer["tfar"], np.inf)
            u, v = answer["u"], answer["v"]
            barycentric[part] = np.stack([1 - u - v, u, v], -1) * hit[:, None]
        return Hits(face, distance, barycentric)
