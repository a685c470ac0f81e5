"""Textured objects, made from shapes: one mesh of normalised size and place, with a material per slot.

Names: a *slot* is the role of a material ("body", "trim"); parts of one slot share one material.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float, Int

from viewdistill.objects.choosing import Box, choose_materials, describe
from viewdistill.objects.geometry.parts import Shape
from viewdistill.objects.materials import Material

LARGEST_RADIUS = 0.61
"""Largest bounding radius of an object: the Zero-1-to-3 camera (fovy 49.134 degrees, distance 1.5) sees a ball of
radius 1.5 sin(fovy / 2) = 0.623 completely, and box-like objects of unit side would be cut off."""

ChooseMaterials = Callable[[np.random.Generator, Sequence[str], Sequence[Box]], list[Material]]

_GRID = 2.0**-20
"""Grid to which vertices are rounded, so that different last bits of sin and cos between processors do not matter."""


@dataclass(frozen=True)
class ProceduralObject:
    """A textured object: z up, front facing +x (azimuth 0), box centred at the origin, longest box side 1.

    Box-like objects, which the camera would cut off, are a little smaller (`LARGEST_RADIUS`).
    """

    vertices: Float[np.ndarray, "vertices 3"]
    """Positions, float64."""
    faces: Int[np.ndarray, "faces 3"]
    """Vertex indices, int64, counter-clockwise seen from outside; solids may overlap."""
    part_of_face: Int[np.ndarray, " faces"]
    """Index of the solid that a face belongs to."""
    material_of_face: Int[np.ndarray, " faces"]
    """Index into ``materials``."""
    materials: list[Material]
    """One per slot, largest area first."""
    caption: str
    """Description, e.g. "a red mug with white stripes"."""
    noun: str
    """Common name, e.g. "mug"."""
    family: str
    """Name of the generating family."""

    @property
    def mesh(self) -> trimesh.Trimesh:
        """The geometry without colours."""
        return trimesh.Trimesh(self.vertices, self.faces, process=False)


def assemble(shape: Shape, rng: np.random.Generator, choose: ChooseMaterials = choose_materials) -> ProceduralObject:
    """Join the parts of a shape, normalise its size and place, and assign materials.

    Args:
        shape: Parts in any unit.
        rng: Source of the proportions and the materials.
        choose: Gives each slot its material.
    """
    starts = np.cumsum([0, *(len(part.vertices) for part in shape.parts)])
    faces = np.concatenate([part.faces + start for part, start in zip(shape.parts, starts, strict=False)])
    stretch = np.exp(rng.uniform(-0.12, 0.12, 3))
    vertices = normalised(np.concatenate([part.vertices for part in shape.parts]) * stretch)
    part_of_face = np.repeat(np.arange(len(shape.parts)), [len(part.faces) for part in shape.parts])

    names = list(dict.fromkeys(part.slot for part in shape.parts))
    slot_of_part = np.array([names.index(part.slot) for part in shape.parts])
    slot_of_face = slot_of_part[part_of_face]
    corners = vertices[faces]
    face_areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1)
    areas = np.bincount(slot_of_face, face_areas, len(names)).round(6)
    order = np.argsort(-areas, kind="stable")
    slots = [names[i] for i in order]
    used = [vertices[faces[slot_of_face == i]].reshape(-1, 3) for i in order]
    materials = choose(rng, slots, [np.stack([points.min(0), points.max(0)]) for points in used])
    return ProceduralObject(
        vertices=vertices,
        faces=faces.astype(np.int64),
        part_of_face=part_of_face,
        material_of_face=np.argsort(order, kind="stable")[slot_of_face],
        materials=materials,
        caption=describe(shape.noun, slots, materials, areas[order].tolist()),
        noun=shape.noun,
        family=shape.family,
    )


def normalised(vertices: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "vertices 3"]:
    """Return vertices centred on their box, scaled to a longest side of 1 or to `LARGEST_RADIUS`, whichever is less."""
    centred = vertices - 0.5 * (vertices.min(0) + vertices.max(0))
    side, radius = np.ptp(centred, axis=0).max(), np.linalg.norm(centred, axis=1).max()
    return np.round(centred * (min(1 / side, LARGEST_RADIUS / radius) / _GRID)) * _GRID
