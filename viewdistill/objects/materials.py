"""Solid materials: albedo as a function of object-space point and normal, so that no texture coordinates are needed.

A material is a base colour, a pattern that mixes in a second colour, and perhaps a label on the front (+x) of the
object; a print may take the place of both colours. Lengths are in units of the object's longest box side, which is 1.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "points 3"]
Amount = Float[np.ndarray, " points"]


@dataclass(frozen=True)
class Color:
    """A named colour; ``rgb`` may differ a little from the palette's entry of that name."""

    name: str
    rgb: tuple[float, float, float]


VIVID = (
    Color("red", (0.86, 0.13, 0.14)),
    Color("orange", (0.96, 0.52, 0.10)),
    Color("yellow", (0.97, 0.84, 0.18)),
    Color("lime", (0.58, 0.82, 0.20)),
    Color("green", (0.15, 0.58, 0.24)),
    Color("teal", (0.10, 0.62, 0.60)),
    Color("sky blue", (0.42, 0.74, 0.95)),
    Color("blue", (0.14, 0.33, 0.84)),
    Color("navy", (0.12, 0.16, 0.42)),
    Color("purple", (0.50, 0.22, 0.68)),
    Color("magenta", (0.85, 0.18, 0.60)),
    Color("pink", (0.97, 0.62, 0.72)),
    Color("brown", (0.48, 0.29, 0.15)),
    Color("beige", (0.86, 0.76, 0.58)),
)
NEUTRAL = (
    Color("white", (0.95, 0.95, 0.95)),
    Color("grey", (0.56, 0.57, 0.60)),
    Color("black", (0.11, 0.11, 0.13)),
)
DARK = (Color("black", (0.11, 0.11, 0.13)), Color("charcoal", (0.23, 0.24, 0.27)), Color("black", (0.17, 0.13, 0.11)))
GLASS = (
    Color("pale blue", (0.62, 0.80, 0.90)),
    Color("smoky", (0.34, 0.42, 0.48)),
    Color("pale green", (0.66, 0.86, 0.76)),
)
SKIN = (Color("fair", (0.95, 0.79, 0.67)), Color("tan", (0.80, 0.59, 0.42)), Color("brown", (0.50, 0.33, 0.22)))
WOOD = (
    Color("brown", (0.45, 0.28, 0.15)),
    Color("light brown", (0.68, 0.48, 0.28)),
    Color("dark brown", (0.30, 0.19, 0.12)),
)
LEAF = (Color("green", (0.16, 0.52, 0.20)), Color("lime", (0.50, 0.72, 0.20)), Color("dark green", (0.10, 0.36, 0.18)))
METAL = (Color("grey", (0.56, 0.58, 0.62)), Color("silver", (0.76, 0.77, 0.80)), Color("gold", (0.86, 0.68, 0.24)))
WHITE = (Color("white", (0.95, 0.95, 0.95)), Color("cream", (0.96, 0.92, 0.80)))
LIGHT = (*WHITE, Color("pale yellow", (0.98, 0.92, 0.60)))

NATURAL = {
    "dark": DARK,
    "eye": DARK,
    "wheel": DARK,
    "tire": DARK,
    "glass": GLASS,
    "window": GLASS,
    "skin": SKIN,
    "wood": WOOD,
    "trunk": WOOD,
    "leaf": LEAF,
    "leaves": LEAF,
    "metal": METAL,
    "light": LIGHT,
    "white": WHITE,
    "snow": WHITE,
}
"""Palettes of the slots that have a usual colour; every other slot may have any vivid or neutral colour."""


@runtime_checkable
class Pattern(Protocol):
    """Place and strength of a material's second colour."""

    def amount(self, points: Points) -> Amount:
        """Weight of the second colour, in [0, 1]."""
        ...

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """Words in front of the noun and behind it ("red", "with white stripes")."""
        ...


@dataclass(frozen=True)
class Plain:
    """One colour only."""

    def amount(self, points: Points) -> Amount:
        """See `Pattern`."""
        return np.zeros(len(points), points.dtype)

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Pattern`."""
        return base, ""


@dataclass(frozen=True)
class Stripes:
    """Parallel bands of the second colour."""

    axis: tuple[float, float, float]
    """Unit direction across the bands."""
    period: float
    phase: float
    """Shift, in periods."""
    share: float
    """Share of a period that has the second colour."""

    def amount(self, points: Points) -> Amount:
        """See `Pattern`."""
        s = points @ np.asarray(self.axis, points.dtype) * (1 / self.period) + self.phase
        return ((s - np.floor(s)) < self.share).astype(points.dtype)

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Pattern`."""
        return base, f"with {second} stripes"


@dataclass(frozen=True)
class Checks:
    """A solid checkerboard."""

    cell: float
    """Side of a cube."""
    offset: tuple[float, float, float]
    """Shift, in cells."""

    def amount(self, points: Points) -> Amount:
        """See `Pattern`."""
        cells = np.floor(points * (1 / self.cell) + np.asarray(self.offset, points.dtype)).sum(-1)
        return cells % 2

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Pattern`."""
        return base, f"with {second} checks"


@dataclass(frozen=True)
class Dots:
    """Balls of the second colour on a body-centred lattice, cut by the surface into discs."""

    spacing: float
    radius: float
    """In units of the spacing."""
    offset: tuple[float, float, float]
    """Shift, in spacings."""

    def amount(self, points: Points) -> Amount:
        """See `Pattern`."""
        lattice = points * (1 / self.spacing) + np.asarray(self.offset, points.dtype)
        corner = lattice - np.round(lattice)
        centre = lattice - np.floor(lattice) - 0.5
        nearest = np.minimum((corner * corner).sum(-1), (centre * centre).sum(-1))
        return (nearest < self.radius**2).astype(points.dtype)

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Pattern`."""
        return base, f"with {second} dots"


@dataclass(frozen=True)
class TwoTone:
    """The second colour on one side of a plane; along x it tells the front from the back."""

    axis: tuple[float, float, float]
    """Unit direction towards the second colour."""
    offset: float
    """Distance of the plane from the origin along ``axis``."""

    def amount(self, points: Points) -> Amount:
        """See `Pattern`."""
        return (points @ np.asarray(self.axis, points.dtype) > self.offset).astype(points.dtype)

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Pattern`."""
        return f"{base} and {second}", ""


@dataclass(frozen=True)
class Marble:
    """Veins of the second colour: a wave whose phase is disturbed by slower waves."""

    directions: tuple[tuple[float, float, float], ...]
    """Wave vectors, radians per unit length; the first is the vein's, the others disturb it."""
    phases: tuple[float, ...]
    """Radians, one per wave."""
    strength: float
    """Amplitude of the disturbance, radians."""

    def amount(self, points: Points) -> Amount:
        """See `Pattern`."""
        waves = points @ np.asarray(self.directions, points.dtype).T + np.asarray(self.phases, points.dtype)
        disturbance = np.sin(waves[:, 1:]).sum(-1)
        vein = 0.5 + 0.5 * np.sin(waves[:, 0] + self.strength * disturbance)
        return np.clip((vein - 0.35) * 2.5, 0, 1)

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Pattern`."""
        return f"marbled {base} and {second}", ""


@dataclass(frozen=True)
class Label:
    """A rectangular patch with an emblem, seen only from the front (+x)."""

    color: Color
    emblem_color: Color
    emblem: str
    """"bar" (across the lower half), "disc" (in the middle) or "column" (at the viewer's left)."""
    centre: tuple[float, float]
    """y and z of its centre."""
    half_size: tuple[float, float]
    """Half of its width (y) and height (z)."""

    def apply(self, rgb: Points, points: Points, normals: Points) -> None:
        """Paints the label over ``rgb`` in place."""
        y = (points[:, 1] - self.centre[0]) * (1 / self.half_size[0])
        z = (points[:, 2] - self.centre[1]) * (1 / self.half_size[1])
        inside = (normals[:, 0] > 0.25) & (points[:, 0] > 0) & (np.abs(y) < 1) & (np.abs(z) < 1)
        rgb[inside] = np.asarray(self.color.rgb, rgb.dtype)
        if self.emblem == "disc":
            marked = y * y + z * z < 0.3
        elif self.emblem == "bar":
            marked = (z < -0.05) & (z > -0.65) & (np.abs(y) < 0.8)
        else:
            marked = (y < -0.1) & (y > -0.7) & (np.abs(z) < 0.75)
        rgb[inside & marked] = np.asarray(self.emblem_color.rgb, rgb.dtype)


@runtime_checkable
class Print(Protocol):
    """Colours of a surface, any number of them; see `viewdistill.objects.prints`."""

    def paint(self, points: Points, normals: Points) -> Points:
        """Linear rgb in [0, 1] of surface points with unit outward normals, of the points' dtype."""
        ...

    def describe(self, base: str, second: str) -> tuple[str, str]:
        """See `Pattern`."""
        ...


@dataclass(frozen=True)
class Material:
    """Material of one slot of an object."""

    base: Color
    second: Color
    """The pattern's colour; not visible with `Plain`."""
    pattern: Pattern
    label: Label | None = None
    printed: Print | None = None
    """Covers the pattern, if present."""

    def describe(self) -> tuple[str, str]:
        """Words in front of the noun and behind it ("red", "with white stripes")."""
        return (self.printed or self.pattern).describe(self.base.name, self.second.name)

    def albedo(self, points: Points, normals: Points) -> Points:
        """Diffuse colour of surface points.

        Args:
            points: Object-space positions.
            normals: Unit outward normals.

        Returns:
            Linear rgb in [0, 1], of the points' dtype.
        """
        base = np.asarray(self.base.rgb, points.dtype)
        if self.printed is not None:
            rgb = self.printed.paint(points, normals)
        elif isinstance(self.pattern, Plain):
            rgb = np.tile(base, (len(points), 1))
        else:
            second = np.asarray(self.second.rgb, points.dtype)
            rgb = base + self.pattern.amount(points)[:, None] * (second - base)
        if self.label is not None:
            self.label.apply(rgb, points, normals)
        return rgb
