"""An object before it has colours: solids, each with the role of its material."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Part:
    """One solid of one material, in object space: z up, the front facing +x."""

    vertices: Float[np.ndarray, "vertices 3"]
    """Positions, float64; any length unit, the same one in all parts of a shape."""
    faces: Int[np.ndarray, "faces 3"]
    """Vertex indices, int64, counter-clockwise seen from outside."""
    slot: str
    """Role of the material: "body", "trim", "accent", "dark", "glass", "skin", ...; parts of one slot share it."""


@dataclass(frozen=True)
class Shape:
    """An object without colours, as a family returns it."""

    parts: list[Part]
    """At least one solid; solids may overlap."""
    noun: str
    """Common name, e.g. "mug"; used in the caption."""
    family: str
    """Name of the generating family, e.g. "mug" or "metaballs"."""
