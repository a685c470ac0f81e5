"""Texture from posed views: every texel is the weighted mean of the views that see it.

The weight of a view at a texel is

    w = a · r · max(0, n·d)^k

with a the view's own weight, n the surface normal, d the direction to the camera, and r the view's reliability at the
pixel: 1 well inside the surface that the mesh shows there, small near its edges, 0 where the picture shows no object.
Parts visible near edges only, such as thin ones, thus still get their colour from there. A view that does not see the
texel (by Embree, another part of the mesh is in front) has no weight. The earlier texture keeps a tiny weight, so it
remains, smoothly, where no view looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from viewdistill.cameras import project, rays
from viewdistill.mesh.baking import dilate, texel_hits
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.pictures import to_bytes
from viewdistill.rendering.embree import EmbreeScene

COVERED = 0.95
"""Smallest alpha of a pixel that shows only the object."""

REFERENCE_SIDE = 256
"""Side of the pictures that widths in pixels refer to; in larger ones widths scale up."""


@dataclass(frozen=True)
class TextureView:
    """A picture that colours the texture."""

    rgb: Float[np.ndarray, "h w 3"]
    """Straight colour in [0, 1], float32."""
    alpha: Float[np.ndarray, "h w"]
    """Coverage of the object in [0, 1], float32."""
    c2w: Float[Tensor, "4 4"]
    """Camera-to-world matrix."""
    fovy: float
    """Vertical field of view, degrees."""
    weight: float = 1.0
    """Factor on all its weights, a."""


@dataclass(frozen=True)
class ProjectionSettings:
    """Weights of the views."""

    sharpness: float = 4.0
    """k: larger values favour the view that faces a place most directly."""
    edge_pixels: float = 1.0
    """Pixels nearer than this to the object's rim, or to an edge in the mesh's depth, count only if there are no better
    ones; scaled up for pictures larger than `REFERENCE_SIDE`."""
    feather_pixels: float = 2.0
    """Width, pixels, over which the reliability then rises to 1."""
    edge_reliability: float = 0.02
    """Reliability of the pixels near an edge."""
    depth_tolerance: float = 0.01
    """Largest distance of a visible texel behind the first hit of its ray, world units."""
    depth_edge: float = 0.05
    """Deviation of the mesh's depth from a plane, between neighbouring pixels, that counts as an edge, world units."""
    kept_weight: float = 1e-3
    """Weight of the texture's earlier colour."""


def project_views(
    mesh: TexturedMesh, views: Sequence[TextureView], settings: ProjectionSettings | None = None
) -> tuple[TexturedMesh, float]:
    """Replace a mesh's texture by posed views; the old texture remains where no view looks.

    Args:
        mesh: The mesh; its texture remains where no view looks.
        views: The pictures with their cameras.
        settings: Weights of the views; the defaults when not given.

    Returns:
        The mesh with its new texture, and the share of texels with more weight from views than from the old texture.
    """
    settings = settings or ProjectionSettings()
    size = mesh.texture.shape[0]
    hits = texel_hits(mesh.uvs, mesh.faces, size)
    points = hits.interpolate(mesh.faces, mesh.vertices)[hits.hit].astype(np.float32)
    normals = hits.interpolate(mesh.faces, mesh.normals)[hits.hit]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-8)

    scene = EmbreeScene(mesh.vertices, mesh.faces)
    texture = mesh.texture.reshape(-1, 3).copy()
    total = np.full(len(points), settings.kept_weight)
    colors = total[:, None] * texture[hits.hit] / 255
    for view in views:
        rgb, weights = view_colors(scene, view, points, normals.astype(np.float32), settings)
        total += weights
        colors += weights[:, None] * rgb
    texture[hits.hit] = to_bytes(colors / total[:, None])
    texture = dilate(texture.reshape(mesh.texture.shape), hits.hit.reshape(size, size))
    return replace(mesh, texture=texture), float((total > 2 * settings.kept_weight).mean()) if len(total) else 0.0


def view_colors(
    scene: EmbreeScene,
    view: TextureView,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    settings: ProjectionSettings,
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Return one view's colours at surface points, and its weights there.

    Args:
        scene: The mesh.
        view: The view.
        points: On its surface, world units.
        normals: Unit normals there.
        settings: Weights of the views.
    """
    height, width = view.alpha.shape
    pixels = project(torch.from_numpy(points), view.c2w.float(), view.fovy, height, width)[0].numpy()
    towards = view.c2w[:3, 3].numpy() - points
    distance = np.linalg.norm(towards, axis=1)
    facing = (normals * towards).sum(1) / np.maximum(distance, 1e-8)
    weights = view.weight * np.clip(facing, 0, 1) ** settings.sharpness
    weights *= bilinear(reliability(scene, view, settings)[..., None], pixels)[:, 0]
    candidates = weights > 0
    weights[candidates] *= visible(scene, view.c2w[:3, 3].numpy(), points[candidates], settings.depth_tolerance)
    return bilinear(view.rgb, pixels), weights


def visible(
    scene: EmbreeScene, camera: Float[np.ndarray, " 3"], points: Float[np.ndarray, "n 3"], tolerance: float
) -> Bool[np.ndarray, " n"]:
    """Return whether the mesh leaves surface points visible to a camera, within ``tolerance`` world units."""
    directions = points - camera
    distance = np.linalg.norm(directions, axis=1)
    hits = scene.cast(np.broadcast_to(camera, points.shape), directions / np.maximum(distance, 1e-8)[:, None])
    return hits.distance > distance - tolerance


def reliability(scene: EmbreeScene, view: TextureView, settings: ProjectionSettings) -> Float[np.ndarray, "h w"]:
    """Return the reliability of each pixel, in [0, 1]: that it shows the mesh's surface there.

    A mesh and its views never agree to the pixel. Next to the rim a pixel may show the background, and next to an edge
    in depth the part in front; both would bleed onto the part behind.
    """
    sound = (view.alpha >= COVERED) & (depth_edges(scene, view) < settings.depth_edge)
    # The outside of the picture counts as unreliable, so that nothing is read where the view is cut off.
    clearance = np.asarray(ndimage.distance_transform_edt(np.pad(sound, 1)))[1:-1, 1:-1]
    clearance = clearance / max(1.0, max(clearance.shape) / REFERENCE_SIDE)
    inner = ((clearance - settings.edge_pixels) / settings.feather_pixels).clip(settings.edge_reliability, 1)
    return np.where(view.alpha > 0.5, inner, 0).astype(np.float32)


def depth_edges(scene: EmbreeScene, view: TextureView) -> Float[np.ndarray, "h w"]:
    """Return the deviation of the mesh's depth at each pixel from a plane through its neighbours, world units.

    The inverse of depth is linear over the picture of a plane at any obliquity, so its second difference detects steps
    and not slopes.
    """
    height, width = view.alpha.shape
    origins, directions = (part.reshape(-1, 3) for part in rays(view.c2w[None].float(), view.fovy, height, width))
    hits = scene.cast(origins.numpy(), directions.numpy())
    inverse = np.zeros(len(hits.face), np.float32)
    inverse[hits.hit] = 1 / (hits.distance * -(directions @ view.c2w[:3, 2].float()).numpy())[hits.hit]
    inverse = inverse.reshape(height, width)
    bends = [np.abs(ndimage.convolve1d(inverse, (1, -2, 1), axis=axis, mode="nearest")) for axis in (0, 1)]
    return np.maximum(*bends) / np.maximum(inverse, 1e-3) ** 2


def bilinear(image: Float[np.ndarray, "h w c"], pixels: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n c"]:
    """Sample an image bilinearly at pixel coordinates (x right, y down, pixel centres at .5); zero outside."""
    at = np.stack([pixels[:, 1] - 0.5, pixels[:, 0] - 0.5])
    channels = [ndimage.map_coordinates(image[..., c], at, order=1, cval=0.0) for c in range(image.shape[-1])]
    return np.stack(channels, -1)
