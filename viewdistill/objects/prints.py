"""Bold prints of several colours, independent of the shape, from which a prior learns to tell paint from relief.

A print maps a surface point to a colour. Most lie in a plane or around the z axis (`Wrapping`), as paint on a pot does;
lengths are in units of the object's longest box side.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from viewdistill.objects.materials import Color, Points, Print

Coordinates = Float[np.ndarray, " points"]
Colors = tuple[tuple[float, float, float], ...]

GLYPHS = (
    ".###.#...##...#######...##...##...#",
    "####.#...##...#####.#...##...#####.",
    "######....#....####.#....#....#####",
    "#...##...##...#######...##...##...#",
    "#...##..#.#.#..##...#.#..#..#.#...#",
    ".###.#...##...##...##...##...#.###.",
    "####.#...##...#####.#.#..#..#.#...#",
    "#####..#....#....#....#....#....#..",
    "#...##...#.#.#...#....#....#....#..",
    "#####....#...#...#...#...#....#####",
)
"""Letters of five columns by seven rows, from the top left."""

_GLYPH_BITS = np.array([[mark == "#" for mark in glyph] for glyph in GLYPHS]).reshape(-1, 7, 5)


@dataclass(frozen=True)
class Wrapping:
    """Flat coordinates of surface points: distances along two axes, or around the z axis and along it."""

    across: tuple[float, float, float]
    """Unit direction of the first coordinate; not used around the axis."""
    up: tuple[float, float, float]
    """Unit direction of the second coordinate; not used around the axis."""
    radius: float
    """Radius of the unrolled cylinder; 0 for the plane."""

    def __call__(self, points: Points) -> tuple[Coordinates, Coordinates]:
        """Both coordinates of points."""
        if self.radius > 0:
            return np.arctan2(points[:, 1], points[:, 0]) * points.dtype.type(self.radius), points[:, 2]
        return points @ np.asarray(self.across, points.dtype), points @ np.asarray(self.up, points.dtype)


def _mixed(first: Int[np.ndarray, " points"], second: Int[np.ndarray, " points"], seed: int) -> np.ndarray:
    """Hash pairs of integers to non-negative integers."""
    mixed = (first * 73856093) ^ (second * 19349663) ^ (seed * 83492791)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return (mixed ^ (mixed >> 16)) & 0x7FFFFFFF


@dataclass(frozen=True)
class Bands:
    """Broad bands of two or more colours in turn, straight or wavy."""

    wrapping: Wrapping
    colors: Colors
    width: float
    angle: float
    """Angle of the bands to the first coordinate, radians."""
    wave: tuple[float, float]
    """Amplitude of the bands' waves, and radians per unit length."""

    def paint(self, points: Points, normals: Points) -> Points:
        """See `Print`."""
        u, v = self.wrapping(points)
        along, across = np.cos(self.angle) * u + np.sin(self.angle) * v, np.cos(self.angle) * v - np.sin(self.angle) * u
        place = (across + self.wave[0] * np.sin(self.wave[1] * along)) * (1 / self.width)
        return np.asarray(self.colors, points.dtype)[np.floor(place).astype(np.int64) % len(self.colors)]

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Print`."""
        return base, f"with bold {second} stripes"


@dataclass(frozen=True)
class Tiles:
    """Tiles of random colours in rows, each with a seam around it: a mosaic, bricks, a quilt or a chessboard."""

    wrapping: Wrapping
    colors: Colors
    seam_color: tuple[float, float, float]
    size: tuple[float, float]
    seam: float
    """Width of the seam, in tiles; 0 for none."""
    shift: float
    """Shift of every second row, in tiles."""
    turn: float
    """Angle of the rows, radians: an eighth of a turn gives diamonds."""
    seed: int
    """Seed of the colours; a negative one alternates them, as on a chessboard."""

    def paint(self, points: Points, normals: Points) -> Points:
        """See `Print`."""
        u, v = self.wrapping(points)
        u, v = np.cos(self.turn) * u + np.sin(self.turn) * v, np.cos(self.turn) * v - np.sin(self.turn) * u
        v = v * (1 / self.size[1])
        row = np.floor(v).astype(np.int64)
        u = u * (1 / self.size[0]) + self.shift * (row & 1)
        column = np.floor(u).astype(np.int64)
        chosen = row + column if self.seed < 0 else _mixed(row, column, self.seed)
        rgb = np.asarray(self.colors, points.dtype)[chosen % len(self.colors)]
        edge = np.minimum(np.minimum(u - column, column + 1 - u), np.minimum(v - row, row + 1 - v))
        rgb[edge < 0.5 * self.seam] = np.asarray(self.seam_color, points.dtype)
        return rgb

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Print`."""
        return base, f"with bold {second} checks" if self.seed < 0 else f"with a {second} mosaic"


@dataclass(frozen=True)
class PolkaDots:
    """Discs or rings of one or more colours in staggered rows."""

    wrapping: Wrapping
    ground: tuple[float, float, float]
    colors: Colors
    spacing: float
    radii: tuple[float, float]
    """Inner radius (0 for discs) and outer radius, in spacings."""
    seed: int

    def paint(self, points: Points, normals: Points) -> Points:
        """See `Print`."""
        u, v = self.wrapping(points)
        v = v * (1 / self.spacing)
        row = np.floor(v).astype(np.int64)
        u = u * (1 / self.spacing) + 0.5 * (row & 1)
        column = np.floor(u).astype(np.int64)
        distance = (u - column - 0.5) ** 2 + (v - row - 0.5) ** 2
        marked = (distance < self.radii[1] ** 2) & (distance >= self.radii[0] ** 2)
        rgb = np.tile(np.asarray(self.ground, points.dtype), (len(points), 1))
        chosen = _mixed(row[marked], column[marked], self.seed) % len(self.colors)
        rgb[marked] = np.asarray(self.colors, points.dtype)[chosen]
        return rgb

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Print`."""
        return base, f"with {second} polka dots"


@dataclass(frozen=True)
class Letters:
    """Rows of letters."""

    wrapping: Wrapping
    ground: tuple[float, float, float]
    colors: Colors
    height: float
    """Height of a row; letters take seven tenths of it."""
    every: int
    """Only every n-th row has letters."""
    seed: int

    def paint(self, points: Points, normals: Points) -> Points:
        """See `Print`."""
        u, v = self.wrapping(points)
        v = -v * (10 / self.height)
        row = np.floor(v / 10).astype(np.int64)
        u = u * (10 / self.height)
        column = np.floor(u / 6).astype(np.int64)
        x, y = np.floor(u).astype(np.int64) - 6 * column, np.floor(v).astype(np.int64) - 10 * row
        mixed = _mixed(row, column, self.seed)
        inside = (x < 5) & (y < 7) & (row % self.every == 0) & (mixed % 7 > 0)  # a seventh are spaces
        letters = mixed[inside] // 7 % len(GLYPHS)
        marked = np.flatnonzero(inside)[_GLYPH_BITS[letters, y[inside], x[inside]]]
        rgb = np.tile(np.asarray(self.ground, points.dtype), (len(points), 1))
        rgb[marked] = np.asarray(self.colors, points.dtype)[row[marked] % len(self.colors)]
        return rgb

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Print`."""
        return base, f"with {second} letters"


@dataclass(frozen=True)
class Picture:
    """Waves of many lengths, their amplitudes as in photographs (one over the frequency), in full colour."""

    mean: tuple[float, float, float]
    waves: tuple[tuple[float, float, float], ...]
    """Wave vectors, radians per unit length."""
    phases: tuple[float, ...]
    """Radians, one per wave."""
    amplitudes: Colors
    """Amplitudes of rgb, one per wave."""
    contrast: float
    """Contrast; above 1, blobs with edges instead of soft clouds."""

    def paint(self, points: Points, normals: Points) -> Points:
        """See `Print`."""
        angles = points @ np.asarray(self.waves, points.dtype).T + np.asarray(self.phases, points.dtype)
        rgb = np.sin(angles) @ np.asarray(self.amplitudes, points.dtype)
        rgb = np.asarray(self.mean, points.dtype) + np.tanh(self.contrast * rgb) * (1 / self.contrast**0.5)
        return np.clip(rgb, 0.02, 0.98)

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Print`."""
        return base, "with a painted picture"


@dataclass(frozen=True)
class Decal:
    """A round, square or star-shaped patch on the side that faces ``normal``, with a print of its own."""

    centre: tuple[float, float, float]
    normal: tuple[float, float, float]
    """Unit direction that the decal faces."""
    across: tuple[float, float, float]
    """Unit direction at right angles to it."""
    radius: float
    corners: int
    """0 for a disc, 4 for a square, 5 and more for a star."""
    inside: Print

    def apply(self, rgb: Points, points: Points, normals: Points) -> None:
        """Paint the decal over ``rgb`` in place."""
        normal, across = np.asarray(self.normal, points.dtype), np.asarray(self.across, points.dtype)
        offset = points - np.asarray(self.centre, points.dtype)
        u, v, depth = offset @ across, offset @ np.cross(normal, across), offset @ normal
        reach = np.hypot(u, v)
        if self.corners == 4:
            reach = np.maximum(np.abs(u), np.abs(v))
        elif self.corners > 4:
            reach = reach * (1.25 + 0.45 * np.cos(self.corners * np.arctan2(v, u)))
        inside = (reach < self.radius) & (normals @ normal > 0.2) & (np.abs(depth) < 1.5 * self.radius)
        rgb[inside] = self.inside.paint(points[inside], normals[inside])


@dataclass(frozen=True)
class Decorated:
    """A print under decals, optionally with painted light and shade unrelated to the shape."""

    ground: Print
    decals: tuple[Decal, ...]
    shade: tuple[float, float, float]
    """Wave vector of the painted shade, radians per unit length."""
    shade_strength: float
    """Largest share of the colour that the painted shade removes; 0 for none."""

    def paint(self, points: Points, normals: Points) -> Points:
        """See `Print`."""
        rgb = self.ground.paint(points, normals)
        for decal in self.decals:
            decal.apply(rgb, points, normals)
        if self.shade_strength > 0:
            dark = 0.5 + 0.5 * np.sin(points @ np.asarray(self.shade, points.dtype))
            rgb = rgb * (1 - points.dtype.type(self.shade_strength) * dark)[:, None]
        return rgb

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Print`."""
        return self.ground.describe(base, second)


@dataclass(frozen=True)
class Uniform:
    """One colour."""

    color: Color

    def paint(self, points: Points, normals: Points) -> Points:
        """See `Print`."""
        return np.tile(np.asarray(self.color.rgb, points.dtype), (len(points), 1))

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Print`."""
        return base, ""
