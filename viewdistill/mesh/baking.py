"""Base colour of a mesh, read from a colour function at the surface point of every texel."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage
from torch import Tensor

from viewdistill.mesh.textured_mesh import TexturedMesh, vertex_normals
from viewdistill.mesh.unwrapping import Atlas, unwrap
from viewdistill.pictures import to_bytes
from viewdistill.rendering.embree import EmbreeScene, Hits

ColorFunction = Callable[[Tensor], Tensor]
"""Colour [N, 3] in [0, 1] at world points [N, 3]."""


def texel_hits(uvs: Float[np.ndarray, "v 2"], faces: Int[np.ndarray, "f 3"], texture_size: int) -> Hits:
    """Return the triangle over each texel centre, texels in row-major order from the top left.

    The atlas is laid flat in the plane z = 0 and one ray per texel is cast onto it, which also gives the
    barycentric weights.
    """
    flat = np.concatenate([uvs * texture_size, np.zeros((len(uvs), 1))], 1)
    centres = np.arange(texture_size, dtype=np.float32) + 0.5
    y, x = np.meshgrid(texture_size - centres, centres, indexing="ij")
    origins = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
    directions = np.broadcast_to(np.array([0, 0, -1], dtype=np.float32), origins.shape)
    return EmbreeScene(flat, faces).cast(origins, directions)


@torch.no_grad()
def bake_texture(
    color_fn: ColorFunction,
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    uvs: Float[np.ndarray, "v 2"],
    texture_size: int = 1024,
    device: torch.device | str = "cpu",
    chunk: int = 1 << 17,
) -> UInt8[np.ndarray, "t t 3"]:
    """Fill a texture with the colour of the surface.

    Texels outside every chart take the colour of the nearest one inside, so that bilinear look-up and mip-maps do not
    bleed another colour over a seam.

    Args:
        color_fn: Colour of the surface at a point.
        vertices: Positions of the unwrapped mesh, world units.
        faces: Its triangles.
        uvs: Its texture coordinates.
        texture_size: Side of the texture, texels.
        device: Device of the colour function.
        chunk: Points per call, bounds memory.

    Returns:
        The texture; row 0 is v = 1.
    """
    hits = texel_hits(uvs, faces, texture_size)
    points = np.einsum("nkc,nk->nc", vertices[faces[hits.face[hits.hit]]], hits.barycentric[hits.hit])
    texture = np.full((texture_size * texture_size, 3), 128, dtype=np.uint8)
    colors = [color_fn(part.to(device)).float().cpu() for part in torch.from_numpy(points).float().split(chunk)]
    if colors:
        texture[hits.hit] = to_bytes(torch.nan_to_num(torch.cat(colors), nan=0.5))
    covered = hits.hit.reshape(texture_size, texture_size)
    return dilate(texture.reshape(texture_size, texture_size, 3), covered)


def dilate(texture: UInt8[np.ndarray, "h w 3"], covered: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Fill uncovered texels with the colour of the nearest covered one."""
    if not covered.any():
        return texture
    nearest = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)
    return texture[rows, columns]


def texture_mesh(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    color_fn: ColorFunction,
    texture_size: int = 1024,
    device: torch.device | str = "cpu",
) -> TexturedMesh:
    """Unwrap a cleaned mesh and bake its base colour.

    Args:
        vertices: Positions, world units.
        faces: Triangles, oriented outwards.
        color_fn: Colour of the surface at a point.
        texture_size: Side of the texture, texels.
        device: Device of the colour function.
    """
    normals = vertex_normals(vertices, faces)
    atlas: Atlas = unwrap(vertices, faces, texture_size)
    split = vertices[atlas.source].astype(np.float32)
    texture = bake_texture(color_fn, split, atlas.faces, atlas.uvs, texture_size, device)
    return TexturedMesh(split, atlas.faces, atlas.uvs, texture, normals[atlas.source])
