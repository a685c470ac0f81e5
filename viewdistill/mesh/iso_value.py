"""Choice of the iso-value whose silhouettes agree best with the rendered opacity.

A fixed threshold turns good renders into bad meshes whenever a field is softer or harder than the one the threshold
was tuned on. Training supervises the rendered opacity, so it is the reference.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from viewdistill.errors import ViewDistillError
from viewdistill.mesh.extraction import DensityGrid, marching_cubes
from viewdistill.mesh.raster import silhouettes

PLATEAU = 0.005
"""Candidates this close to the best IoU count as equally good; the middle one, the most robust, is taken."""


@dataclass(frozen=True)
class IsoCandidate:
    """One iso-value and its score."""

    value: float
    """Density at the surface."""
    iou: float
    """Mean over views of the intersection over union of silhouette and opacity mask, in [0, 1]."""
    n_faces: int
    """Triangles of the surface on the sweep's grid."""


@dataclass(frozen=True)
class IsoSweep:
    """All candidates, in ascending order, and the chosen one."""

    candidates: tuple[IsoCandidate, ...]
    chosen: IsoCandidate


def candidate_values(grid: DensityGrid, count: int = 16) -> list[float]:
    """Return geometrically spaced iso-values between nearly empty and nearly the greatest density of the grid.

    Raises:
        ViewDistillError: If the grid holds no density at all.
    """
    densest = float(grid.density.max())
    if not densest > 1e-3:
        raise ViewDistillError(
            f"mesh: the field is empty (its greatest density is {densest:.3g}); "
            "fit it for more steps, with a weaker sparsity term or a stronger density blob at the start"
        )
    return np.geomspace(min(0.5, 0.01 * densest), min(200.0, 0.8 * densest), count).tolist()


def mask_iou(first: Bool[np.ndarray, "views h w"], second: Bool[np.ndarray, "views h w"]) -> float:
    """Return the mean over views of the intersection over union of masks; a view empty in both counts as 1."""
    intersection = (first & second).sum((1, 2))
    union = (first | second).sum((1, 2))
    return float(np.where(union > 0, intersection / np.maximum(union, 1), 1.0).mean())


def iso_value_sweep(
    grid: DensityGrid,
    c2w: Float[Tensor, "views 4 4"],
    fovy: float,
    opacity: Float[Tensor, "views size size"],
    values: list[float] | None = None,
) -> IsoSweep:
    """Score iso-values by the silhouettes of their surfaces against rendered opacity.

    Args:
        grid: The density, zero where the renderer's occupancy grid is empty (see `sample_density`).
        c2w: Cameras of the rendered opacity, for instance a ring.
        fovy: Their vertical field of view, degrees.
        opacity: Rendered opacity in [0, 1].
        values: Iso-values to try; `candidate_values` of the grid when not given.

    Returns:
        Every candidate with its score, and the chosen one.

    Raises:
        ViewDistillError: If no opacity is above one half anywhere, or the grid is empty at every iso-value.
    """
    masks = opacity.detach().cpu().numpy() > 0.5
    if not masks.any():
        raise ViewDistillError(
            "mesh: the renders of the field are empty (no pixel has an opacity above one half); "
            "fit the field for more steps or with a weaker sparsity term"
        )
    candidates: list[IsoCandidate] = []
    for value in sorted(values if values is not None else candidate_values(grid)):
        if value >= float(grid.density.max()):
            continue
        vertices, faces = marching_cubes(grid, value)
        shapes = silhouettes(vertices, faces, c2w, fovy, masks.shape[1])
        candidates.append(IsoCandidate(value, mask_iou(shapes, masks), len(faces)))
    if not candidates:
        raise ViewDistillError(
            f"mesh: every iso-value tried is above the field's greatest density {float(grid.density.max()):.3g}; "
            "try lower ones"
        )
    return IsoSweep(tuple(candidates), _middle_of_plateau(candidates))


def _middle_of_plateau(candidates: list[IsoCandidate]) -> IsoCandidate:
    best = max(range(len(candidates)), key=lambda i: candidates[i].iou)
    floor = candidates[best].iou - PLATEAU
    first = last = best
    while first > 0 and candidates[first - 1].iou >= floor:
        first -= 1
    while last + 1 < len(candidates) and candidates[last + 1].iou >= floor:
        last += 1
    return candidates[(first + last) // 2]
