"""Lights and shading normals of the renderer."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Light:
    """Uniform ambient light and two directional ones, fixed to the world; grey."""

    ambient: float = 0.6
    """Strength of the ambient light, a share of the albedo."""
    key: float = 0.42
    """Strength of the main directional light."""
    key_direction: tuple[float, float, float] = (0.5, 0.35, 0.79)
    """Unit direction from the object to the main light."""
    fill: float = 0.14
    """Strength of the second directional light."""
    fill_direction: tuple[float, float, float] = (-0.58, -0.73, 0.36)
    """Unit direction from the object to the second light."""


def random_light(rng: np.random.Generator) -> Light:
    """Draw a light with its main direction at 25 to 75 degrees of elevation; colours stay readable on all sides."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(25, 75))
    fill_azimuth, fill_elevation = azimuth + np.pi + rng.uniform(-0.8, 0.8), np.deg2rad(rng.uniform(-10, 35))
    return Light(
        ambient=rng.uniform(0.54, 0.66),
        key=rng.uniform(0.34, 0.48),
        key_direction=_direction(azimuth, elevation),
        fill=rng.uniform(0.05, 0.2),
        fill_direction=_direction(fill_azimuth, fill_elevation),
    )


def random_flat_light(rng: np.random.Generator) -> Light:
    """Draw a nearly uniform light, as under an overcast sky or a ring flash, which hardly shows the shape."""
    light = random_light(rng)
    rest = float(rng.choice([0.0, rng.uniform(0.05, 0.35)]))
    ambient = float(rng.uniform(0.85, 1.0)) - 0.4 * rest
    return replace(light, ambient=ambient, key=rest * light.key, fill=rest * light.fill)


def _direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    flat = float(np.cos(elevation))
    return (flat * float(np.cos(azimuth)), flat * float(np.sin(azimuth)), float(np.sin(elevation)))


def shade(
    albedo: Float[np.ndarray, "points 3"],
    normals: Float[np.ndarray, "points 3"],
    lights: list[Light],
    light_of_point: Int[np.ndarray, " points"],
) -> Float[np.ndarray, "points 3"]:
    """Shade surfaces by Lambert's law, clipped to [0, 1].

    Args:
        albedo: Diffuse colours in [0, 1].
        normals: Unit normals, world space.
        lights: One or several lights.
        light_of_point: Index of each point's light; ignored with a single light.
    """
    dtype = normals.dtype
    irradiance = np.empty(len(normals), dtype)
    for index, light in enumerate(lights):
        chosen = slice(None) if len(lights) == 1 else light_of_point == index
        key = normals[chosen] @ np.asarray(light.key_direction, dtype)
        fill = normals[chosen] @ np.asarray(light.fill_direction, dtype)
        irradiance[chosen] = light.ambient + light.key * np.maximum(key, 0) + light.fill * np.maximum(fill, 0)
    return np.clip(albedo * irradiance[:, None], 0, 1)


def corner_normals(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"], crease_angle: float = 40.0
) -> Float[np.ndarray, "faces 3 3"]:
    """Return shading normals at each corner of each face: smooth over gentle bends, sharp over creases.

    The normal at a corner is the area-weighted mean of the normals of those faces at its vertex that are within
    ``crease_angle`` of the corner's own face.

    Args:
        vertices: Positions.
        faces: Vertex indices, counter-clockwise seen from outside.
        crease_angle: Degrees.

    Returns:
        Unit normals, float32; zero for faces without area.
    """
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    weighted = np.cross(b - a, c - a)
    area = np.linalg.norm(weighted, axis=-1, keepdims=True)
    face_normals = (weighted / np.maximum(area, 1e-20)).astype(np.float32)
    weighted = weighted.astype(np.float32)

    vertex_of_corner = faces.ravel()
    by_vertex = np.argsort(vertex_of_corner, kind="stable")
    degree = np.bincount(vertex_of_corner, minlength=len(vertices))
    start = np.cumsum(degree) - degree
    repeats = degree[vertex_of_corner]
    corner = np.repeat(np.arange(len(vertex_of_corner)), repeats)
    rank = np.arange(len(corner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    neighbour = by_vertex[np.repeat(start[vertex_of_corner], repeats) + rank] // 3
    smooth = (face_normals[corner // 3] * face_normals[neighbour]).sum(-1) > np.cos(np.deg2rad(crease_angle))
    corner, neighbour = corner[smooth], neighbour[smooth]
    sums = [np.bincount(corner, weighted[neighbour, k], len(vertex_of_corner)) for k in range(3)]
    normals = np.stack(sums, -1)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-20)
    return normals.astype(np.float32).reshape(-1, 3, 3)
