"""Closed triangle meshes, their transforms, and the lofting of rings that makes most of them."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

Real = float | int
"""A length or an angle; includes int, because the run-time type check does not accept an int for a float."""

Axis = Literal["x", "y", "z"]
_OTHER_AXES: dict[Axis, tuple[int, int]] = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}


class Solid(NamedTuple):
    """A closed triangle mesh."""

    vertices: Float[np.ndarray, "V 3"]
    """Positions."""
    faces: Int[np.ndarray, "F 3"]
    """Vertex indices, anticlockwise seen from outside."""

    def at(self, x: Real = 0.0, y: Real = 0.0, z: Real = 0.0) -> "Solid":
        """The solid moved by (x, y, z)."""
        return Solid(self.vertices + np.array([x, y, z]), self.faces)

    def turned(self, axis: Axis, degrees: Real) -> "Solid":
        """The solid rotated about a coordinate axis through the origin, right-handed, degrees."""
        i, j = _OTHER_AXES[axis]
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        vertices = self.vertices.copy()
        vertices[:, i] = cosine * self.vertices[:, i] - sine * self.vertices[:, j]
        vertices[:, j] = sine * self.vertices[:, i] + cosine * self.vertices[:, j]
        return Solid(vertices, self.faces)

    def scaled(self, x: Real = 1.0, y: Real = 1.0, z: Real = 1.0) -> "Solid":
        """The solid scaled by positive factors along the axes."""
        return Solid(self.vertices * np.array([x, y, z]), self.faces)

    def mirrored(self) -> "Solid":
        """The solid reflected from left to right (y to -y), faces still outward."""
        return Solid(self.vertices * np.array([1.0, -1.0, 1.0]), self.faces[:, ::-1])


def merged(solids: Sequence[Solid]) -> Solid:
    """One mesh holding all the solids, each still closed by itself."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in solids[:-1])])
    faces = np.concatenate([s.faces + offset for s, offset in zip(solids, offsets, strict=True)])
    return Solid(np.concatenate([s.vertices for s in solids]), faces)


def signed_volume(solid: Solid) -> float:
    """Volume enclosed, negative where the faces point inwards (divergence theorem)."""
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def outward(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Solid:
    """The solid of a closed mesh whose faces all point out or all point in."""
    solid = Solid(vertices, faces)
    centred = Solid(vertices - vertices.mean(0), faces)
    return solid if signed_volume(centred) > 0 else Solid(vertices, faces[:, ::-1])


def loft(
    rings: Float[np.ndarray, "K S 3"],
    start: Float[np.ndarray, "3"] | None = None,
    end: Float[np.ndarray, "3"] | None = None,
    closed: bool = False,
) -> Solid:
    """Loft a sequence of rings of points, closed by a fan at each end or, if ``closed``, into a loop.

    Args:
        rings: Consecutive cross-sections with corresponding points.
        start: Apex of the first fan; the first ring's centre when None.
        end: Apex of the last fan; the last ring's centre when None.
        closed: Join the last ring to the first instead of capping.

    Returns:
        The solid, oriented outwards.
    """
    count, sides = rings.shape[:2]
    index = np.arange(count * sides).reshape(count, sides)
    lower, upper = (index, np.roll(index, -1, 0)) if closed else (index[:-1], index[1:])
    a, b, c, d = lower, np.roll(lower, -1, 1), np.roll(upper, -1, 1), upper
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    points = [rings.reshape(-1, 3)]
    if not closed:
        points += [rings[0].mean(0)[None] if start is None else start[None]]
        points += [rings[-1].mean(0)[None] if end is None else end[None]]
        first, last, total = index[0], index[-1], count * sides
        faces.append(np.stack([np.roll(first, -1), first, np.full(sides, total)], -1))
        faces.append(np.stack([last, np.roll(last, -1), np.full(sides, total + 1)], -1))
    return outward(np.concatenate(points).astype(np.float64), np.concatenate(faces).astype(np.int64))
