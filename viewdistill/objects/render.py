"""Rendering of textured objects through Embree, all views of an object against one scene.

Names: a *sample* is one ray of the supersampling grid, a *hit* a sample that meets the object.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from viewdistill.cameras import DISTANCE, look_at
from viewdistill.objects.shading import Light, corner_normals, shade
from viewdistill.objects.textured import ProceduralObject
from viewdistill.rendering.embree import EmbreeScene

SAMPLES_PER_CHUNK = 1 << 21
"""Samples per chunk of views, approximately; bounds the memory."""


@dataclass(frozen=True)
class ObjectViews:
    """Pictures of V cameras."""

    rgb: UInt8[np.ndarray, "views height width 3"]
    """Straight (not premultiplied) colour: the mean over the samples that hit; zero where none does."""
    alpha: UInt8[np.ndarray, "views height width"]
    """Share of the samples that hit, 255 for all."""
    depth: Float[np.ndarray, "views height width"]
    """Depth along the viewing axis, world units, mean over the samples that hit; zero where none does; float32."""
    normals: Float[np.ndarray, "views height width 3"]
    """Unit normals, world space; zero where nothing is hit; float32."""

    @property
    def rgba(self) -> UInt8[np.ndarray, "views height width 4"]:
        """Straight colour and alpha."""
        return np.concatenate([self.rgb, self.alpha[..., None]], -1)

    def over(self, background: float = 1.0) -> UInt8[np.ndarray, "views height width 3"]:
        """Return the views over a grey background of the given brightness (1 is white)."""
        alpha = self.alpha[..., None].astype(np.float32) / 255
        return (self.rgb * alpha + 255 * background * (1 - alpha) + 0.5).astype(np.uint8)


def poses(
    azimuths: Sequence[float], elevations: Sequence[float], distance: float = DISTANCE
) -> Float[np.ndarray, "views 4 4"]:
    """Return camera-to-world matrices, float64, of angles in degrees."""
    azimuth, elevation = (torch.tensor(list(angles), dtype=torch.float64) for angles in (azimuths, elevations))
    return look_at(azimuth, elevation, torch.full_like(azimuth, distance)).numpy()


def render(
    obj: ProceduralObject,
    c2w: Float[np.ndarray, "views 4 4"],
    fovy: float,
    size: int,
    supersample: int = 2,
    light: Light | Sequence[Light] | None = None,
) -> ObjectViews:
    """Render views of an object with a transparent background.

    Args:
        obj: The object.
        c2w: Camera-to-world matrices, OpenGL axes.
        fovy: Vertical field of view, degrees.
        size: Width and height of the images, pixels.
        supersample: Samples per pixel along each axis.
        light: One light for all views, or one per view.
    """
    lights = [light or Light()] if light is None or isinstance(light, Light) else list(light)
    scene = _Scene(obj)
    step = max(1, SAMPLES_PER_CHUNK // (size * supersample) ** 2)
    chunks: list[ObjectViews] = []
    for start in range(0, len(c2w), step):
        views = slice(start, start + step)
        chunks.append(scene.render(c2w[views], fovy, size, supersample, lights if len(lights) == 1 else lights[views]))
    return ObjectViews(
        *(np.concatenate([getattr(c, name) for c in chunks]) for name in ("rgb", "alpha", "depth", "normals"))
    )


class _Scene:
    """An object ready to be rendered."""

    def __init__(self, obj: ProceduralObject) -> None:
        self.obj = obj
        self.tracer = EmbreeScene(obj.vertices, obj.faces)
        self.normals = corner_normals(obj.vertices, obj.faces)

    def render(
        self, c2w: Float[np.ndarray, "views 4 4"], fovy: float, size: int, supersample: int, lights: list[Light]
    ) -> ObjectViews:
        samples, directions, counts = self._samples(c2w, fovy, size * supersample)
        origins = np.repeat(c2w[:, :3, 3].astype(np.float32), counts, axis=0)
        hits = self.tracer.cast(origins, directions)
        found = np.flatnonzero(hits.face >= 0)
        samples, face, depth = samples[found], hits.face[found], hits.distance[found]
        view = samples // (size * supersample) ** 2
        points = origins[found] + depth[:, None] * directions[found]
        normals = np.einsum("nkc,nk->nc", self.normals[face], hits.barycentric[found])
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        rgb = shade(self._albedo(points, normals, self.obj.material_of_face[face]), normals, lights, view)
        return _average(samples, rgb, depth, normals, (len(c2w), size, supersample))

    def _samples(
        self, c2w: Float[np.ndarray, "views 4 4"], fovy: float, size: int
    ) -> tuple[Int[np.ndarray, " samples"], Float[np.ndarray, "samples 3"], list[int]]:
        """Return possible hits: flat indices [view, row, column], directions of unit depth, and counts per view."""
        focal = 0.5 * size / np.tan(0.5 * np.deg2rad(fovy))
        indices: list[Int[np.ndarray, " n"]] = []
        directions: list[Float[np.ndarray, "n 3"]] = []
        for view, (top, bottom, left, right) in enumerate(self._rectangles(c2w, focal, size)):
            rows, columns = np.arange(top, bottom), np.arange(left, right)
            indices.append(((view * size + rows[:, None]) * size + columns).ravel())
            rotation = (c2w[view, :3, :3] * (1 / focal)).astype(np.float32)
            across = ((columns + 0.5 - 0.5 * size)[:, None] * rotation[:, 0]).astype(np.float32)
            down = (-(rows + 0.5 - 0.5 * size)[:, None] * rotation[:, 1] - focal * rotation[:, 2]).astype(np.float32)
            directions.append((down[:, None] + across[None]).reshape(-1, 3))
        return np.concatenate(indices), np.concatenate(directions), [len(index) for index in indices]

    def _rectangles(
        self, c2w: Float[np.ndarray, "views 4 4"], focal: float, size: int
    ) -> Iterator[tuple[int, int, int, int]]:
        """Yield top, bottom, left, right of the samples that the object can cover, per view."""
        for pose in c2w:
            local = (self.obj.vertices - pose[:3, 3]) @ pose[:3, :3]
            depth = -local[:, 2]
            if depth.min() < 0.01:
                yield 0, size, 0, size
                continue
            columns = focal * local[:, 0] / depth + 0.5 * size
            rows = -focal * local[:, 1] / depth + 0.5 * size
            top, left = (max(0, int(np.floor(v.min())) - 1) for v in (rows, columns))
            bottom, right = (min(size, int(np.ceil(v.max())) + 1) for v in (rows, columns))
            yield top, max(top, bottom), left, max(left, right)

    def _albedo(
        self,
        points: Float[np.ndarray, "hits 3"],
        normals: Float[np.ndarray, "hits 3"],
        material: Int[np.ndarray, " hits"],
    ) -> Float[np.ndarray, "hits 3"]:
        rgb = np.empty_like(points)
        for index, entry in enumerate(self.obj.materials):
            chosen = np.flatnonzero(material == index)
            rgb[chosen] = entry.albedo(points[chosen], normals[chosen])
        return rgb


def _average(
    samples: Int[np.ndarray, " hits"],
    rgb: Float[np.ndarray, "hits 3"],
    depth: Float[np.ndarray, " hits"],
    normals: Float[np.ndarray, "hits 3"],
    layout: tuple[int, int, int],
) -> ObjectViews:
    """Average over the hits of each pixel; ``layout`` is the number of views, the image size and the supersampling."""
    views, size, supersample = layout
    fine = size * supersample
    row, column = samples // fine, samples % fine
    pixel = (row // supersample) * size + column // supersample
    pixels = views * size * size
    count = np.bincount(pixel, minlength=pixels)
    share = 1 / np.maximum(count, 1)
    colors = np.stack([np.bincount(pixel, rgb[:, k], pixels) for k in range(3)], -1) * share[:, None]
    mean = np.stack([np.bincount(pixel, normals[:, k], pixels) for k in range(3)], -1)
    mean = mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-12)
    grid = (views, size, size)
    return ObjectViews(
        rgb=(colors * 255 + 0.5).astype(np.uint8).reshape(*grid, 3),
        alpha=(count * (255 / supersample**2) + 0.5).astype(np.uint8).reshape(grid),
        depth=(np.bincount(pixel, depth, pixels) * share).astype(np.float32).reshape(grid),
        normals=mean.astype(np.float32).reshape(*grid, 3),
    )
