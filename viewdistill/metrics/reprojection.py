"""Consistency of views: colours reprojected from one view to the next through a reconstructed surface.

Each view is paired with the one with the nearest camera. Every pixel of the first that sees the surface is projected
into the second, unless the surface hides it there, and the two colours are compared. The ground truth is not used:
views can be consistent and wrong.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.cameras import project
from viewdistill.metrics.geometry import TriangleMesh
from viewdistill.metrics.images import SMALLEST_MSE
from viewdistill.metrics.visible import cast_view
from viewdistill.rendering.embree import EmbreeScene

TOLERANCE = 0.01
"""Largest distance of a visible point behind the second camera's first hit, world units."""

FEWEST_PIXELS = 16
"""Pairs that share fewer pixels are skipped."""


def reprojection_psnr(
    rgb: Float[Tensor, "views 3 size size"],
    c2w: Float[Tensor, "views 4 4"],
    fovy: Sequence[float],
    shape: TriangleMesh,
) -> list[float]:
    """Return the PSNR, dB, of each pair of views over their shared pixels.

    Args:
        rgb: The views over white, in [0, 1].
        c2w: Their camera-to-world matrices.
        fovy: Their vertical fields of view, degrees.
        shape: The reconstructed surface.

    Returns:
        One value per view that shares enough of the surface with its neighbour; none for fewer than two views.
    """
    if len(rgb) < 2:
        return []
    scene = EmbreeScene(shape.vertices, shape.faces)
    centres = c2w[:, :3, 3]
    apart = torch.cdist(centres, centres) + torch.diag(torch.full((len(rgb),), float("inf")))
    found: list[float] = []
    for first, second in enumerate(apart.argmin(1).tolist()):
        seen, points = _seen_points(scene, c2w[first], fovy[first], rgb.shape[-1])
        pixels, depth = project(points, c2w[second], fovy[second], *rgb.shape[-2:])
        kept = _sees(scene, c2w[second], points, depth) & (pixels > 0).all(1) & (pixels < rgb.shape[-1]).all(1)
        if int(kept.sum()) < FEWEST_PIXELS:
            continue
        here = rgb[first].flatten(1).T[seen][kept]
        where = (pixels[kept] / rgb.shape[-1] * 2 - 1)[None, None]
        there = F.grid_sample(rgb[second][None], where, padding_mode="border", align_corners=False)[0, :, 0].T
        mse = (here - there).square().mean().clamp_min(SMALLEST_MSE)
        found.append(float(-10 * torch.log10(mse)))
    return found


def _seen_points(
    scene: EmbreeScene, c2w: Float[Tensor, "4 4"], fovy: float, size: int
) -> tuple[Bool[Tensor, " pixels"], Float[Tensor, "n 3"]]:
    """Return the mask of pixels that see the surface, and their points on it."""
    hits, origins, directions = cast_view(scene, c2w, fovy, size)
    hit = hits.hit
    return torch.from_numpy(hit), torch.from_numpy(origins[hit] + directions[hit] * hits.distance[hit, None])


def _sees(
    scene: EmbreeScene, c2w: Float[Tensor, "4 4"], points: Float[Tensor, "n 3"], depth: Float[Tensor, " n"]
) -> Bool[Tensor, " n"]:
    """Return the mask of points that a camera sees: in front of it and unoccluded."""
    origins = c2w[:3, 3].expand_as(points)
    towards = points - origins
    distance = towards.norm(dim=1)
    first = scene.cast(origins.numpy(), (towards / distance[:, None]).numpy()).distance
    return (depth > 0) & torch.from_numpy(first > distance.numpy() - np.float32(TOLERANCE))
