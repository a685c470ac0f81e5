"""Elevation of the input camera, estimated from the view-conditioned prior's own novel views.

Zero-1-to-3 knows relative poses only, so it never says at which elevation its input was taken. But turning the camera
by a known azimuth moves the picture differently at every elevation, and sampled views therefore fit together at the
right one alone. One-2-3-45 (Liu et al. 2023) measures the fit by matched features; the views of a small prior are too
coarse for those, and silhouettes serve: for each candidate elevation the views' silhouettes are carved into a visual
hull, and the hull's own silhouettes are compared with them. Those of true views agree at the right elevation alone.

A prior with a lifting samples its views with an elevation that it estimates itself, which pulls the agreement that way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at, project
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.diffusion.samplers import Sampling, sample, view_noise_predictor

CANDIDATES = (-20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""Elevations that are compared, degrees."""

TURNS = ((30.0, 0.0), (-30.0, 0.0), (60.0, 0.0), (-60.0, 0.0), (90.0, 0.0), (-90.0, 0.0), (0.0, 20.0), (0.0, -20.0))
"""Azimuth and elevation of the sampled views relative to the input's, degrees."""

MASK_SIZE = 32
"""Side of the silhouettes, pixels."""

HULL_RESOLUTION = 40
"""Points along each axis of the hull: at least one for every pixel of the silhouettes at their distance."""

HULL_RADIUS = 0.62
"""Half the side of the hull's cube, world units: what the standard camera sees of its middle."""

CLEAR_MARGIN = 0.02
"""Margin below which an estimate says nothing: solids of revolution look alike from every azimuth."""

BACKGROUND = 0.06
"""A pixel of a sampled view is background where no channel is darker than white by more than this."""


@dataclass(frozen=True)
class ElevationEstimate:
    """The elevation at which sampled views agree best, and how clearly."""

    elevation_deg: float
    """Between the best candidates by a parabola, degrees."""
    margin: float
    """By how much the best candidate's agreement exceeds the mean of all."""
    agreement: tuple[float, ...]
    """Of every candidate, in [0, 1]."""


def estimate_elevation(
    prior: ViewConditionedPrior,
    image: Float[Tensor, "1 3 size size"],
    mask: Float[Tensor, "1 1 size size"],
    candidates: Sequence[float] = CANDIDATES,
    guidance_scale: float = 3.0,
    steps: int = 20,
    seed: int = 0,
) -> ElevationEstimate:
    """Sample views around the input and find the elevation at which their silhouettes agree.

    Args:
        prior: The view-conditioned prior.
        image: The framed input image in [0, 1], over white, at the prior's `image_size`.
        mask: Its silhouette, in [0, 1].
        candidates: Elevations to compare, at equal steps, degrees.
        guidance_scale: Of the samples.
        steps: DDIM steps of the samples.
        seed: Of their noise.
    """
    views = sample_turns(prior, image, guidance_scale, steps, seed)
    sampled = (1 - views).amax(1, keepdim=True) > BACKGROUND
    masks = F.interpolate(torch.cat([mask, sampled.float()]), (MASK_SIZE, MASK_SIZE), mode="area")[:, 0] > 0.5
    return compare_elevations(masks, ((0.0, 0.0), *TURNS), candidates)


@torch.no_grad()
def sample_turns(
    prior: ViewConditionedPrior, image: Float[Tensor, "1 3 size size"], guidance_scale: float, steps: int, seed: int
) -> Float[Tensor, "views 3 size size"]:
    """Views in [0, 1] of the object in an image from the cameras of `TURNS`."""
    poses = torch.tensor(
        [[-math.radians(up), math.sin(math.radians(turn)), math.cos(math.radians(turn)), 0.0] for turn, up in TURNS]
    )
    predict = view_noise_predictor(prior, prior.condition(image), poses, guidance_scale)
    noise = torch.randn((len(poses), *prior.latent_shape), generator=torch.Generator().manual_seed(seed))
    return prior.decode_latents(sample(predict, prior.schedule, noise, Sampling(steps=steps)))


def compare_elevations(
    masks: Bool[Tensor, "views size size"],
    turns: Sequence[tuple[float, float]],
    candidates: Sequence[float],
    fovy: float = FOVY_ZERO123,
    distance: float = DISTANCE,
) -> ElevationEstimate:
    """The elevation at which silhouettes agree best.

    Args:
        masks: Silhouettes.
        turns: Azimuth and elevation of each relative to the first, degrees.
        candidates: Elevations of the first to compare, at equal steps, degrees.
        fovy: Vertical field of view, degrees.
        distance: Of the cameras from the origin, world units.
    """
    agreement = [hull_agreement(masks, turns, elevation, fovy, distance) for elevation in candidates]
    best = max(range(len(candidates)), key=agreement.__getitem__)
    elevation = candidates[best]
    if 0 < best < len(candidates) - 1:
        below, top, above = agreement[best - 1 : best + 2]
        bend = below - 2 * top + above
        offset = 0.5 * (below - above) / bend if bend < 0 else 0.0
        elevation += offset * (candidates[best + 1] - candidates[best])
    return ElevationEstimate(elevation, agreement[best] - sum(agreement) / len(agreement), tuple(agreement))


def hull_agreement(
    masks: Bool[Tensor, "views size size"],
    turns: Sequence[tuple[float, float]],
    elevation: float,
    fovy: float,
    distance: float,
) -> float:
    """Mean over views of the share of a silhouette that the visual hull of all covers again, in [0, 1]."""
    size = masks.shape[-1]
    axis = torch.linspace(-HULL_RADIUS, HULL_RADIUS, HULL_RESOLUTION)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    hull = torch.ones(len(points), dtype=torch.bool)
    places: list[Tensor] = []
    for mask, (turn, up) in zip(masks, turns, strict=True):
        c2w = look_at(*(torch.tensor(value) for value in (turn, elevation + up, distance)))
        pixels = project(points, c2w, fovy, size, size)[0].floor().long()
        seen = ((pixels >= 0) & (pixels < size)).all(1)
        place = (pixels[:, 1] * size + pixels[:, 0]) * seen
        hull &= seen & mask.flatten()[place]
        places.append(place)
    shares: list[float] = []
    for mask, place in zip(masks, places, strict=True):
        covered = torch.zeros(size * size, dtype=torch.bool)
        covered[place[hull]] = True
        shares.append(float(covered.sum() / mask.sum().clamp_min(1)))
    return sum(shares) / len(shares)
