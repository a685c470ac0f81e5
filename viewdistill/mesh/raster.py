"""Pictures of meshes by ray casting: colour, alpha, depth, normals, silhouettes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from viewdistill.cameras import project, rays
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.rendering.embree import EmbreeScene, Hits

AMBIENT = 0.35
"""Share of ambient light in shading; the rest comes from the camera (a head light)."""

NEAREST = 1e-3
"""Smallest depth of a vertex in the picture, world units."""

CLAY = 0.8
"""Grey of the untextured look."""


@dataclass(frozen=True)
class MeshViews:
    """Pictures of a mesh from V cameras, white background."""

    rgb: Float[np.ndarray, "v h w 3"]
    """Colour over white, in [0, 1], float32."""
    alpha: Float[np.ndarray, "v h w"]
    """Share of the pixel that the mesh covers, in [0, 1]."""
    depth: Float[np.ndarray, "v h w"]
    """Distance along the viewing axis, world units, mean over the covered part of the pixel; 0 where nothing is."""
    normals: Float[np.ndarray, "v h w 3"]
    """Unit normals in world space, turned towards the camera; 0 where nothing is."""


def silhouettes(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    c2w: Float[Tensor, "views 4 4"],
    fovy: float,
    size: int,
) -> Bool[np.ndarray, "views size size"]:
    """Return the mask of pixel centres that see the mesh."""
    scene = EmbreeScene(vertices, faces)
    origins, directions = rays(c2w.detach().cpu().float(), fovy, size, size)
    hits = scene.cast(origins.reshape(-1, 3).numpy(), directions.reshape(-1, 3).numpy())
    return hits.hit.reshape(len(c2w), size, size)


def render_mesh(
    mesh: TexturedMesh,
    c2w: Float[Tensor, "views 4 4"],
    fovy: float,
    size: int,
    supersample: int = 2,
    shaded: bool = False,
    textured: bool = True,
) -> MeshViews:
    """Render a textured mesh.

    Args:
        mesh: The mesh.
        c2w: Camera-to-world matrices.
        fovy: Vertical field of view, degrees.
        size: Side of the pictures, pixels.
        supersample: Rays along each side of a pixel; their mean is taken.
        shaded: Whether a head light shades the surface; the plain base colour otherwise.
        textured: Whether to show the texture; grey clay otherwise.
    """
    views = list(render_each(mesh, c2w, fovy, size, supersample, shaded, textured))
    picture = (0, size, size)
    return MeshViews(
        np.stack([view.rgb[0] for view in views]) if views else np.zeros((*picture, 3), np.float32),
        np.stack([view.alpha[0] for view in views]) if views else np.zeros(picture, np.float32),
        np.stack([view.depth[0] for view in views]) if views else np.zeros(picture, np.float32),
        np.stack([view.normals[0] for view in views]) if views else np.zeros((*picture, 3), np.float32),
    )


def render_each(
    mesh: TexturedMesh,
    c2w: Float[Tensor, "views 4 4"],
    fovy: float,
    size: int,
    supersample: int = 2,
    shaded: bool = False,
    textured: bool = True,
) -> Iterator[MeshViews]:
    """Like `render_mesh`, but view by view, for pictures that do not fit in memory together."""
    scene = EmbreeScene(mesh.vertices, mesh.faces)
    for i in range(len(c2w)):
        yield _render_view(mesh, scene, c2w[i : i + 1], fovy, size, supersample, shaded, textured)


def _render_view(
    mesh: TexturedMesh,
    scene: EmbreeScene,
    c2w: Float[Tensor, "1 4 4"],
    fovy: float,
    size: int,
    supersample: int,
    shaded: bool,
    textured: bool,
) -> MeshViews:
    fine = size * supersample
    camera = c2w.detach().cpu().float()
    window = _window(mesh.vertices, camera[0], fovy, fine)
    origins, directions = (part[0][window].reshape(-1, 3).numpy() for part in rays(camera, fovy, fine, fine))
    hits = scene.cast(origins, directions)
    hit = hits.hit
    towards = directions[hit]
    normals = _hit_normals(mesh, hits, towards)
    color = texture_color(mesh, hits) if textured else np.full((len(towards), 3), CLAY, dtype=np.float32)
    if shaded:
        facing = np.clip(-(normals * towards).sum(1, keepdims=True), 0, 1)
        color = color * (AMBIENT + (1 - AMBIENT) * facing)
    along_axis = hits.distance[hit] * -(towards @ camera[0, :3, 2].numpy())
    ones = np.ones((len(color), 1), dtype=np.float32)
    samples = np.zeros((fine, fine, 8), dtype=np.float32)
    shape = samples[window].shape
    inside = np.zeros((len(hit), 8), dtype=np.float32)
    inside[hit] = np.concatenate([color, ones, along_axis[:, None], normals], 1)
    samples[window] = inside.reshape(shape)
    sums = _pixel_means(samples, supersample)
    alpha = sums[..., 3]
    length = np.linalg.norm(sums[..., 5:], axis=-1, keepdims=True)
    return MeshViews(
        np.clip(sums[..., :3] + (1 - alpha[..., None]), 0, 1)[None],
        alpha[None],
        (sums[..., 4] / np.maximum(alpha, 1e-8))[None],
        (sums[..., 5:] / np.maximum(length, 1e-8))[None],
    )


def _window(
    vertices: Float[np.ndarray, "v 3"], c2w: Float[Tensor, "4 4"], fovy: float, size: int
) -> tuple[slice, slice]:
    """Return the rows and columns of a picture whose rays can meet the mesh; usually a third of all."""
    if len(vertices) == 0:
        return slice(0, 0), slice(0, 0)
    pixels, depth = project(torch.from_numpy(vertices).float(), c2w, fovy, size, size)
    if float(depth.min()) < NEAREST:
        return slice(0, size), slice(0, size)
    first = (pixels.amin(0) - 1).floor().clamp(0, size).int().tolist()
    last = (pixels.amax(0) + 1).ceil().clamp(0, size).int().tolist()
    return slice(first[1], last[1]), slice(first[0], last[0])


def _pixel_means(samples: Float[np.ndarray, "fine fine c"], supersample: int) -> Float[np.ndarray, "size size c"]:
    """Return the mean over each pixel's samples; adding slices is several times faster than reducing two axes."""
    parts = [samples[i::supersample, j::supersample] for i in range(supersample) for j in range(supersample)]
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total / np.float32(supersample**2)


def _hit_normals(mesh: TexturedMesh, hits: Hits, towards: Float[np.ndarray, "h 3"]) -> Float[np.ndarray, "h 3"]:
    """Return interpolated unit normals where rays hit, turned against the rays (surfaces are two-sided)."""
    hit = hits.hit
    normals = np.einsum("nkc,nk->nc", mesh.normals[mesh.faces[hits.face[hit]]], hits.barycentric[hit])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-8)
    return np.where((normals * towards).sum(1, keepdims=True) > 0, -normals, normals)


def texture_color(mesh: TexturedMesh, hits: Hits) -> Float[np.ndarray, "h 3"]:
    """Return the base colour in [0, 1] of the rays that hit, in their order."""
    hit = hits.hit
    uvs = np.einsum("nkc,nk->nc", mesh.uvs[mesh.faces[hits.face[hit]]], hits.barycentric[hit])
    return sample_texture(mesh.texture, uvs)


def sample_texture(texture: UInt8[np.ndarray, "t w 3"], uvs: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    """Look up a texture bilinearly, clamped at its border; in [0, 1]."""
    height, width = texture.shape[:2]
    x = np.clip(uvs[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1 - uvs[:, 1]) * height - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    upper = texture[top, left] * (1 - fx) + texture[top, right] * fx
    lower = texture[bottom, left] * (1 - fx) + texture[bottom, right] * fx
    return ((upper * (1 - fy) + lower * fy) / 255).astype(np.float32)
