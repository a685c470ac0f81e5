"""Cleaning of extracted surfaces: floaters, cavities, holes, non-manifold parts, orientation, face budget.

Names: a ``component`` is a set of faces joined by shared vertices; a ``cavity`` is a closed component whose normals
point inwards (the inner wall of a hollow that marching cubes finds inside a solid object).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymeshlab
import trimesh
from jaxtyping import Float, Int

from viewdistill.errors import ViewDistillError

Vertices = Float[np.ndarray, "_ 3"]
Faces = Int[np.ndarray, "_ 3"]


@dataclass(frozen=True)
class CleaningSettings:
    """Settings of `clean_mesh`."""

    face_budget: int = 20_000
    """Decimate to at most this many triangles."""
    smallest_component: float = 0.02
    """Components with fewer than this share of all faces are floaters and dropped; the largest one always stays."""
    fill_cavities: bool = True
    """Whether to drop the walls of closed cavities inside the object, which no view has seen.

    A hollow with an opening to the outside, however narrow, is part of the outer surface and stays: a mug needs its
    inside. Such a mesh is still closed, and slicers print it as a vessel.
    """
    largest_hole: int = 200
    """Holes with at most this many edges are closed."""
    smoothing_steps: int = 5
    """Steps of Taubin smoothing (Taubin 1995), which hardly shrinks the mesh; 0 for none."""


@dataclass(frozen=True)
class CleaningReport:
    """Findings and actions of `clean_mesh`."""

    faces_before: int
    faces_after: int
    floaters_removed: int
    """Components dropped because they were small."""
    cavities_filled: int
    """Components dropped because they were inner walls."""
    watertight: bool
    """Whether every edge of the result has exactly two faces."""
    volume: float
    """Volume inside, cubic world units; means little unless watertight."""


def clean_mesh(
    vertices: Vertices, faces: Faces, settings: CleaningSettings | None = None
) -> tuple[Vertices, Faces, CleaningReport]:
    """Make an extracted surface fit for texturing.

    Args:
        vertices: Positions, world units.
        faces: Triangles, consistently oriented (as marching cubes leaves them), inside out or not.
        settings: Actions; the defaults when not given.

    Returns:
        Vertices (float32), faces oriented outwards, and a summary.

    Raises:
        ViewDistillError: If there are no faces, or none with an area.
    """
    settings = settings or CleaningSettings()
    before = len(faces)
    vertices, faces = _merge(vertices, faces)
    if signed_volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
    faces, floaters, cavities = _drop_components(vertices, faces, settings)
    vertices, faces = _repair(vertices, faces, settings)
    if signed_volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
    report = CleaningReport(
        before, len(faces), floaters, cavities, is_watertight(faces), signed_volume(vertices, faces)
    )
    return vertices.astype(np.float32), np.ascontiguousarray(faces, dtype=np.int64), report


def signed_volume(vertices: Vertices, faces: Faces) -> float:
    """Return the volume enclosed by a closed surface, cubic world units; negative if it is inside out."""
    if len(faces) == 0:
        return 0.0
    library: Any = trimesh
    # Around the mean, so that the value of a nearly closed surface does not depend on the origin.
    corners = (vertices.astype(np.float64) - vertices.mean(0, dtype=np.float64))[faces]
    return float(library.triangles.mass_properties(corners, density=1.0, skip_inertia=True).volume)


def is_watertight(faces: Faces) -> bool:
    """Return whether every edge is shared by exactly two faces that run along it in opposite directions."""
    library: Any = trimesh
    return len(faces) > 0 and all(library.graph.is_watertight(library.geometry.faces_to_edges(faces)))


def component_of_face(n_vertices: int, faces: Faces) -> Int[np.ndarray, " _"]:
    """Return index, from 0, of the connected component of each face; faces that touch in one vertex are connected."""
    library: Any = trimesh
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    labels = library.graph.connected_component_labels(ends, node_count=n_vertices)
    return np.unique(labels[faces[:, 0]], return_inverse=True)[1].reshape(-1)


def _merge(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Weld equal vertices; drop non-finite vertices and faces without area."""
    library: Any = trimesh
    proper = faces[np.isfinite(vertices[faces]).all((1, 2))] if len(faces) else faces
    mesh = library.Trimesh(np.asarray(vertices, dtype=np.float64), proper, process=False)
    mesh.remove_unreferenced_vertices()
    mesh.merge_vertices()
    mesh.update_faces(mesh.nondegenerate_faces(height=None) & mesh.unique_faces())
    mesh.remove_unreferenced_vertices()
    if len(mesh.faces) == 0:
        raise ViewDistillError(
            "mesh: the surface has no triangles; choose a lower iso-value or fit the field for more steps"
        )
    return np.array(mesh.vertices), _drop_fins(np.array(mesh.faces, dtype=np.int64))


def _drop_fins(faces: Faces) -> Faces:
    """Drop dangling faces on edges shared by three or more faces.

    pymeshlab repairs such edges by removing the smallest faces, which may be the good ones.
    """
    while True:
        edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, edge, count = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
        sharing = count[edge.reshape(-1, 3)]
        fins = (sharing >= 3).any(1) & (sharing == 1).any(1)
        if not fins.any() or fins.all():
            return faces
        faces = faces[~fins]


def _drop_components(vertices: Vertices, faces: Faces, settings: CleaningSettings) -> tuple[Faces, int, int]:
    labels = component_of_face(len(vertices), faces)
    sizes = np.bincount(labels)
    small = sizes < settings.smallest_component * len(faces)
    small[sizes.argmax()] = False
    hollow = np.zeros(len(sizes), dtype=bool)
    if settings.fill_cavities:
        for label in np.flatnonzero(~small):
            part = faces[labels == label]
            hollow[label] = is_watertight(part) and signed_volume(vertices, part) < 0
    if (small | hollow).all():
        hollow[:] = False
    return faces[~(small | hollow)[labels]], int(small.sum()), int(hollow.sum())


def _repair(vertices: Vertices, faces: Faces, settings: CleaningSettings) -> tuple[Vertices, Faces]:
    """Close holes, smooth and decimate in pymeshlab; repair non-manifold parts before and after."""
    library: Any = pymeshlab
    meshes = library.MeshSet(verbose=False)
    meshes.add_mesh(library.Mesh(vertices.astype(np.float64), faces.astype(np.int32)))
    _make_manifold(meshes, settings)
    if settings.smoothing_steps > 0:
        meshes.apply_coord_taubin_smoothing(stepsmoothnum=settings.smoothing_steps)
    if meshes.current_mesh().face_number() > settings.face_budget:
        # A collapse that joins parts of a lumpy surface would leave faces that cannot be oriented coherently.
        meshes.meshing_decimation_quadric_edge_collapse(
            targetfacenum=settings.face_budget, preservenormal=True, preservetopology=True, qualitythr=0.5
        )
        _make_manifold(meshes, settings)
    mesh = meshes.current_mesh()
    if mesh.face_number() == 0:
        return vertices, faces
    return mesh.vertex_matrix(), mesh.face_matrix().astype(np.int64)


def _make_manifold(meshes: Any, settings: CleaningSettings) -> None:
    meshes.meshing_remove_duplicate_faces()
    meshes.meshing_remove_null_faces()
    meshes.meshing_repair_non_manifold_edges(method="Remove Faces")
    meshes.meshing_repair_non_manifold_vertices(vertdispratio=0.0)
    meshes.meshing_re_orient_faces_coherently()
    # A closed hole can touch its own rim and create new non-manifold edges; a second round repairs those.
    for _ in range(2):
        meshes.meshing_close_holes(maxholesize=settings.largest_hole, selfintersection=False)
        meshes.meshing_repair_non_manifold_edges(method="Remove Faces")
    meshes.meshing_remove_unreferenced_vertices()
