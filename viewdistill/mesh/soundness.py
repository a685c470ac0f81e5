"""Soundness of a mesh: closed, smooth, free of self-intersections and needless handles, true to the input.

A mesh can be watertight and still be useless: a crumpled, self-intersecting surface with dozens of handles. Each
defect has a figure here, a limit, and a description.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymeshlab
import trimesh
from jaxtyping import Bool, Float, Int
from torch import Tensor

from viewdistill.mesh.raster import silhouettes

LARGEST_GENUS = 8
"""Largest number of handles of a sound mesh: mugs and chairs have a few, a crumpled surface has dozens."""

LARGEST_CROSSING = 0.001
"""Largest share of self-intersecting faces in a sound mesh."""

SHARP_ANGLE = 60.0
"""Smallest angle between the normals of two faces at a sharp edge, degrees."""

LARGEST_RAGGEDNESS = 0.1
"""Largest share of sharp edges, by length, in a sound mesh: a box of 20,000 faces has about 0.01."""

SMALLEST_INPUT_IOU = 0.9
"""Agreement of the mesh's silhouette with the input's below which the mesh counts as failed."""


@dataclass(frozen=True)
class Soundness:
    """Figures of one mesh."""

    watertight: bool
    """Whether every edge has exactly two faces that run along it in opposite directions."""
    components: int
    """Connected parts."""
    genus: int
    """Handles of all parts together; means little unless watertight."""
    crossing_faces: int
    """Faces that intersect others."""
    faces: int
    """All faces."""
    raggedness: float
    """Share of edges, by length, at which the surface bends by more than `SHARP_ANGLE`."""

    @property
    def problems(self) -> tuple[str, ...]:
        """The mesh's defects, in words; none for a sound one."""
        found: list[str] = []
        if not self.watertight:
            found.append("it is not watertight")
        elif self.genus > LARGEST_GENUS:
            found.append(f"it has {self.genus} handles")
        if self.crossing_faces > LARGEST_CROSSING * self.faces:
            found.append(f"{self.crossing_faces} of {self.faces} faces cross others")
        if self.raggedness > LARGEST_RAGGEDNESS:
            found.append(f"it is ragged ({self.raggedness:.0%} of its edges are sharp)")
        return tuple(found)

    @property
    def sound(self) -> bool:
        """Whether the mesh is fit for printing and simulation."""
        return not self.problems

    @property
    def figures(self) -> dict[str, Any]:
        """The figures for the record of the mesh stage."""
        return {
            "watertight": self.watertight,
            "components": self.components,
            "genus": self.genus,
            "crossing_faces": self.crossing_faces,
            "raggedness": round(self.raggedness, 4),
            "sound": self.sound,
        }


def soundness(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Soundness:
    """Measure a mesh; vertices split along texture seams are welded first.

    Args:
        vertices: Positions, world units.
        faces: Triangles.
    """
    library: Any = trimesh
    mesh = library.Trimesh(np.asarray(vertices, dtype=np.float64), faces, process=False)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    watertight = bool(mesh.is_watertight and mesh.is_winding_consistent)
    components = int(mesh.body_count)
    return Soundness(
        watertight=watertight,
        components=components,
        # Euler: V - E + F = 2 (components - genus) of closed surfaces.
        genus=max(0, components - int(mesh.euler_number) // 2) if watertight else 0,
        crossing_faces=crossing_faces(np.array(mesh.vertices), np.array(mesh.faces)),
        faces=len(mesh.faces),
        raggedness=raggedness(mesh),
    )


def crossing_faces(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> int:
    """Return the number of faces that intersect others."""
    library: Any = pymeshlab
    meshes = library.MeshSet(verbose=False)
    meshes.add_mesh(library.Mesh(vertices.astype(np.float64), faces.astype(np.int32)))
    meshes.compute_selection_by_self_intersections_per_face()
    return int(meshes.current_mesh().selected_face_number())


def raggedness(mesh: Any) -> float:
    """Return the share of sharp inner edges, by length.

    Args:
        mesh: A `trimesh.Trimesh`.
    """
    ends = mesh.vertices[mesh.face_adjacency_edges]
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    total = float(length.sum())
    return float(length[mesh.face_adjacency_angles > np.radians(SHARP_ANGLE)].sum()) / total if total > 0 else 0.0


def silhouette_iou(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    c2w: Float[Tensor, "4 4"],
    fovy: float,
    mask: Bool[np.ndarray, "size size"],
) -> float:
    """Return the intersection over union of a mesh's silhouette and a mask, in [0, 1].

    Args:
        vertices: Positions, world units.
        faces: Triangles.
        c2w: Camera-to-world matrix of the mask's picture.
        fovy: Its vertical field of view, degrees.
        mask: The object in the picture.
    """
    shape = silhouettes(vertices, faces, c2w[None], fovy, mask.shape[0])[0]
    union = int((shape | mask).sum())
    return int((shape & mask).sum()) / union if union else 1.0
