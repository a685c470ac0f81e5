"""Several references of one object as one volume: each is lifted alone, turned into the first one's frame, averaged.

A lifting knows the side that its reference shows and guesses the other. So each cell is averaged with weights that say
how much it faces each reference: with d the direction to a reference's camera, sigmoid(`SHARPNESS` p·d / radius) for
the cell at p. `experiments.measurements.second_picture` measures the gain.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.lifting.cells import cell_centres, turned_about_z
from viewdistill.lifting.picture_compositing import render_colors

SHARPNESS = 8.0
"""Of the change from one reference's side to the other's."""

NOTHING = -30.0
"""Logit of a share of the picture that is none."""


class LiftedReference(NamedTuple):
    """A reference view as a volume."""

    features: Float[Tensor, "batch n n n channels"]
    """Axes z, y, x; density before the other channels."""
    colors: Float[Tensor, "batch m m m 5"] | None = None
    """Finer cells for rendering colours, where the lifting has them: density, logits of rgb, and how much of the
    picture's colour shows."""
    picture: Float[Tensor, "batch 3 height width"] | None = None
    """The reference picture, rgb in [0, 1], where there are colours."""
    cameras: Float[Tensor, "batch 4 4"] | None = None
    """Cameras of the pictures, where these are several references of one object, see `average`."""


def average(
    references: Sequence[LiftedReference],
    azimuth: Float[Tensor, " references"],
    cameras: Float[Tensor, "references 4 4"],
    radius: float,
) -> LiftedReference:
    """Return one volume of several references, in the frame of the first.

    Where they have colours, those are kept apart, since each finds them in a picture of its own; `render_references`
    mixes them.

    Args:
        references: Of one object; a batch of one each.
        azimuth: Of their cameras from the first one's, degrees.
        cameras: Their camera-to-world matrices, the first at azimuth 0.
        radius: Half the side of the volumes, world units.
    """
    first = references[0]
    features = [turned(one.features, angle) for one, angle in zip(references, azimuth, strict=True)]
    mixed = mix(torch.cat(features), facing(features[0].shape[1], cameras, radius).to(first.features))
    if first.colors is None or first.picture is None:
        return first._replace(features=mixed)
    pairs = [(one.colors, one.picture) for one in references if one.colors is not None and one.picture is not None]
    colors = torch.cat([turned(found, angle) for (found, _), angle in zip(pairs, azimuth, strict=True)])
    density = mix(colors[..., :1], facing(colors.shape[1], cameras, radius).to(colors))
    colors = torch.cat([density.expand_as(colors[..., :1]), colors[..., 1:]], -1)
    return first._replace(
        features=mixed, colors=colors, picture=torch.cat([picture for _, picture in pairs]), cameras=cameras
    )


def render_references(
    colors: Float[Tensor, "references n n n 5"],
    pictures: Float[Tensor, "references 3 size size"],
    cameras: Float[Tensor, "references 4 4"],
    origins: Float[Tensor, "1 rays 3"],
    directions: Float[Tensor, "1 rays 3"],
    radius: float,
    fovy: float,
    steps: int,
) -> Float[Tensor, "1 rays 4"]:
    """Return rgb times opacity, and opacity, as `render_colors` does, each pixel of the references that it faces.

    Args:
        colors: From `average`: one density, and what each reference says of the colour.
        pictures: The references.
        cameras: Their cameras, in the frame of the volume.
        origins: Ray origins, world units.
        directions: Unit ray directions.
        radius: Half the side of the volume, world units.
        fovy: Vertical field of view of the pictures, degrees.
        steps: Samples along a ray.
    """
    logit = facing_logit(colors.shape[1], cameras, radius).to(colors)
    none = torch.full_like(logit, NOTHING)
    weights = torch.cat([colors[..., :1], logit, logit, logit, none], -1)
    origins, directions = (line.expand(len(colors), -1, -1) for line in (origins, directions))
    given = (pictures, cameras, origins, directions, radius, fovy, steps)
    seen, faced = render_colors(colors, *given), render_colors(weights, *given)[..., :1]
    share = faced / faced.sum(0, keepdim=True).clamp_min(1e-6)
    return torch.cat([(share * seen[..., :3]).sum(0, keepdim=True), seen[:1, :, 3:]], -1)


def mix(
    volumes: Float[Tensor, "references n n n c"], weights: Float[Tensor, "references n n n 1"]
) -> Float[Tensor, "1 n n n c"]:
    """Return the weighted mean of volumes."""
    return (weights * volumes).sum(0, keepdim=True) / weights.sum(0, keepdim=True)


def facing(n: int, cameras: Float[Tensor, "references 4 4"], radius: float) -> Float[Tensor, "references n n n 1"]:
    """Return how much the cells of a volume face cameras, in (0, 1)."""
    return facing_logit(n, cameras, radius).sigmoid()


def facing_logit(
    n: int, cameras: Float[Tensor, "references 4 4"], radius: float
) -> Float[Tensor, "references n n n 1"]:
    """Return the logits of `facing`.

    Args:
        n: Cells along each axis.
        cameras: Camera-to-world matrices.
        radius: Half the side of the volume, world units.
    """
    points = cell_centres(n, radius, cameras.device)
    along = torch.einsum("zyxi,ri->rzyx", points, cameras[:, :3, 2])
    return SHARPNESS * along[..., None] / radius


def turned(volume: Float[Tensor, "1 n n n c"], azimuth: Float[Tensor, ""]) -> Float[Tensor, "1 n n n c"]:
    """Return a reference's volume in a frame in which its camera has another azimuth than 0.

    Args:
        volume: Axes z, y, x, in the frame of the reference.
        azimuth: Of its camera in the other frame, degrees.
    """
    if azimuth % 360 == 0:
        return volume
    places = turned_about_z(cell_centres(volume.shape[1], 1.0, volume.device), -azimuth[None])
    found = F.grid_sample(volume.permute(0, 4, 1, 2, 3), places.to(volume), padding_mode="border", align_corners=False)
    return found.permute(0, 2, 3, 4, 1).contiguous()
