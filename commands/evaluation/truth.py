"""Ground truth of evaluations: a generated object, a mesh, or posed views; all in the world of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.posed_views import ViewCamera
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json
from datamodules.view_sets import ViewSet, load_view_set
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.claims import MeshLimits
from viewdistill.mesh.loading import Up, gso_folder, load_gso, load_mesh
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.textured_mesh import TexturedMesh
from viewdistill.metrics.geometry import TriangleMesh
from viewdistill.objects.generator import generate
from viewdistill.objects.render import render
from viewdistill.objects.textured import ProceduralObject
from viewdistill.pictures import over_white, to_tensor

SUPERSAMPLE = 4
"""Rays along each side of a pixel in renders of the truth and of predicted meshes."""

SAME_POSE = 1e-3
"""Largest difference between the matrix entries of equal cameras."""

SAME_FOVY = 0.05
"""The same for the field of view, degrees; Blender's 49.13 and 49.134 are one camera."""


class Truth(Protocol):
    """Interface of a ground truth."""

    @property
    def record(self) -> dict[str, Any]:
        """Kind, placement and light, for ``evaluation.json``."""
        ...

    @property
    def shape(self) -> TriangleMesh | None:
        """Its surface; None where only views are known."""
        ...

    @property
    def stored(self) -> ViewSet | None:
        """Its views, for a set of views; None if it can be rendered."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the reading, for the user."""
        ...

    def views(self, cameras: Sequence[ViewCamera], size: int) -> Float[Tensor, "views 3 side side"]:
        """Return pictures from given cameras, over white; ``side`` is ``size`` for renders.

        Raises:
            ViewDistillError: The truth has no view from a camera.
        """
        ...


@dataclass(frozen=True)
class GeneratedTruth:
    """An object of the generator, turned so that the input camera stands at azimuth 0."""

    seed: int
    azimuth: float
    """Azimuth of the input camera in the object's own frame, degrees."""
    obj: ProceduralObject = field(init=False)
    stored: None = field(default=None, init=False)
    notes: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "obj", generate(self.seed))

    @property
    def record(self) -> dict[str, Any]:
        """Seed, turn and size."""
        side = float(np.ptp(self.obj.vertices, axis=0).max())
        return {
            "kind": "generated object",
            "seed": self.seed,
            "azimuth_deg": self.azimuth,
            "placement": f"as generated: centred on its box, longest side {side:.4g}",
            "light": "the generator's",
        }

    @property
    def shape(self) -> TriangleMesh:
        """Its exact surface."""
        return TriangleMesh(self.obj.vertices @ turn(-self.azimuth).T, self.obj.faces)

    def views(self, cameras: Sequence[ViewCamera], size: int) -> Float[Tensor, "views 3 side side"]:
        """Return renders with the inputs' light, fixed in the object's own frame."""
        pictures: list[Tensor] = []
        for camera in cameras:
            c2w = replace(camera, azimuth_deg=camera.azimuth_deg + self.azimuth).c2w[None].double().numpy()
            rgba = render(self.obj, c2w, camera.fovy_deg, size, supersample=SUPERSAMPLE).rgba
            pictures.append(over_white(to_tensor(rgba)))
        return torch.cat(pictures)


@dataclass(frozen=True)
class MeshTruth:
    """A mesh from a file."""

    path: Path
    """Its file."""
    shape: TriangleMesh
    """Its surface, in the world of the run."""
    textured: TexturedMesh | None
    """The same with colours."""
    record: dict[str, Any]
    """Placement, for ``evaluation.json``."""
    scale: float = 1.0
    """Factor from the file's units to the world's."""
    notes: tuple[str, ...] = ()
    """Notes on the reading, for the user."""
    stored: None = field(default=None, init=False)

    def views(self, cameras: Sequence[ViewCamera], size: int) -> Float[Tensor, "views 3 side side"]:
        """Renders of its base colour, without light."""
        if self.textured is None:
            raise ViewDistillError(
                f"{self.path}: has no colours, with which views could be compared; give a textured mesh"
            )
        return render_textured(self.textured, cameras, size)


@dataclass(frozen=True)
class ViewsTruth:
    """Posed views from files, with or without depth."""

    path: Path
    stored: ViewSet
    shape: None = field(default=None, init=False)
    notes: tuple[str, ...] = field(default=(), init=False)

    @property
    def record(self) -> dict[str, Any]:
        """Place and form, for ``evaluation.json``."""
        depth = "with depth" if self.stored.depth is not None else "without depth"
        kind = f"{len(self.stored.cameras)} posed views, {self.stored.layout}, {depth}"
        return {"kind": kind, "path": str(self.path), "placement": "as its cameras say", "light": "as in its files"}

    def views(self, cameras: Sequence[ViewCamera], size: int) -> Float[Tensor, "views 3 side side"]:
        """Return the stored views of given cameras, at their own size."""
        found = [self.index(camera) for camera in cameras]
        if None in found:
            camera = cameras[found.index(None)]
            raise ViewDistillError(f"{self.path} has no view from {camera_words(camera)}")
        return self.stored.rgb[found]

    def index(self, camera: ViewCamera) -> int | None:
        """Return the index of a camera's view."""
        return same_camera(camera, self.stored.cameras)


def same_camera(camera: ViewCamera, others: Sequence[ViewCamera]) -> int | None:
    """Return the index of the first camera equal to another."""
    for index, other in enumerate(others):
        apart = float((camera.c2w - other.c2w).abs().max())
        if apart < SAME_POSE and abs(camera.fovy_deg - other.fovy_deg) < SAME_FOVY:
            return index
    return None


def camera_words(camera: ViewCamera) -> str:
    """Describe a camera, for messages."""
    return (
        f"azimuth {camera.azimuth_deg:g}, elevation {camera.elevation_deg:g}, distance {camera.distance:g}, "
        f"field of view {camera.fovy_deg:g}"
    )


def render_textured(mesh: TexturedMesh, cameras: Sequence[ViewCamera], size: int) -> Float[Tensor, "views 3 side side"]:
    """Base colour of a mesh over white, without light."""
    pictures = [
        torch.from_numpy(render_mesh(mesh, camera.c2w[None], camera.fovy_deg, size, SUPERSAMPLE).rgb)
        for camera in cameras
    ]
    return torch.cat(pictures).permute(0, 3, 1, 2)


def turn(azimuth: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about z, degrees from +x towards +y."""
    angle = np.deg2rad(azimuth)
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def load_truth(
    path: Path, up: Up | None, azimuth: float, keep_placement: bool, limits: MeshLimits | None = None
) -> MeshTruth | ViewsTruth:
    """Read a ground truth from files.

    Args:
        path: A mesh, the folder of an object of Google Scanned Objects, or a folder of views.
        up: Up axis of a mesh file; when not given, y, or z in Google Scanned Objects.
        azimuth: Azimuth of the input camera in the mesh's own frame, degrees.
        keep_placement: Whether to leave a mesh its size and place, rather than to centre it on its box with a longest
            side of 1.
        limits: Limits on a mesh.

    Raises:
        ViewDistillError: The path has none of these forms, a file is damaged, or an option does not apply.
    """
    if not path.exists():
        raise ViewDistillError(f"{path}: no such ground truth; give a mesh, a folder of views or a GSO folder")
    gso = gso_folder(path)
    if path.is_dir() and not gso:
        if up is not None or azimuth or keep_placement:
            raise ViewDistillError(
                f"{path}: --gt-up, --azimuth and --keep-placement are for meshes; views have cameras"
            )
        return ViewsTruth(path, load_view_set(path))
    mesh = load_gso(path, up or "z", limits) if gso else load_mesh(path, up or "y", limits=limits)
    centre, scale = (np.zeros(3), 1.0) if keep_placement else box_placement(mesh.vertices[mesh.faces].reshape(-1, 3))
    rotation = turn(-azimuth)
    vertices = (mesh.vertices - centre) * scale @ rotation.T
    textured = mesh.textured
    if textured is not None:
        moved = ((textured.vertices - centre) * scale @ rotation.T).astype(np.float32)
        textured = replace(textured, vertices=moved, normals=(textured.normals @ rotation.T).astype(np.float32))
    placed = f"centred on its box, scaled by {scale:.6g} from a longest side of {mesh.longest_side:.4g} to 1"
    record = {
        "kind": "GSO object" if gso else "mesh",
        "path": str(path),
        "azimuth_deg": azimuth,
        "placement": "as in its file" if keep_placement else placed,
        "scale": scale,
        "light": "none, base colour",
    }
    return MeshTruth(path, TriangleMesh(vertices, mesh.faces), textured, record, scale, mesh.notes)


def box_placement(points: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, " 3"], float]:
    """Return the centre of the box around points, and the factor that makes its longest side 1."""
    low, high = points.min(0), points.max(0)
    side = float((high - low).max())
    if not side > 0:
        raise ViewDistillError("the ground truth's mesh has no extent; give another mesh")
    return 0.5 * (low + high), 1 / side


def truth_of_run(folder: RunFolder, azimuth: float | None) -> GeneratedTruth:
    """Return the generated object in a run's input.

    Args:
        folder: The run.
        azimuth: Where the input camera stood in the object's own frame, degrees; read from the description beside the
            input image where not given.

    Raises:
        ViewDistillError: The input shows no generated object, or its camera's azimuth is unknown.
    """
    meta = InputMeta.load(folder.input_meta)
    if meta.seed is None:
        raise ViewDistillError(
            f"{folder.root}: the input is not a generated object; give the ground truth with --gt PATH"
        )
    if azimuth is None:
        path = Path(meta.source).with_suffix(".json")
        content = read_json(path) if path.is_file() else None
        content = content if isinstance(content, dict) else {}
        known = content.get("object_azimuth_deg")
        if not isinstance(known, int | float) or content.get("seed") != meta.seed:
            problem = "does not say" if path.is_file() else "is not there to say"
            raise ViewDistillError(
                f"{path}: {problem} where the camera stood around object {meta.seed} (object_azimuth_deg); "
                "give it with --azimuth DEG"
            )
        azimuth = float(known)
    return GeneratedTruth(meta.seed, azimuth)
