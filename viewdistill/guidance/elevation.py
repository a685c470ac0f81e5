"""Elevation of the input camera, as a probability over all elevations.

Zero-1-to-3 uses relative poses only, so it does not reveal the elevation of its input. But turning the camera by a
known azimuth changes the picture differently at every elevation, so sampled views are consistent at the right one
only. One-2-3-45 (Liu et al. 2023) measures consistency by matched features. The views of a small prior are too coarse
for features, so silhouettes are used: for each candidate elevation the views' silhouettes are carved into a visual
hull, and the hull's own silhouettes are compared with them. Those of true views agree at the right elevation only.
A prior with a lifting estimates the elevation itself and samples its views accordingly. Sampling would only repeat the
estimate, so the estimate is used directly.

Neither evidence is sharp. Both are weighted by their accuracy on held-out objects and cameras (measured by
`experiments.measurements.input_estimates`), against a prior over photographs of objects: taken from the object's
height or from above, rarely from below or from very high.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline
from torch import Tensor
from torch.nn import functional as F

from viewdistill.cameras import DISTANCE, FOVY_ZERO123, look_at, project
from viewdistill.diffusion.priors import ViewConditionedPrior
from viewdistill.diffusion.samplers import Sampling, sample, view_noise_predictor

GRID = np.arange(-30.0, 75.0)
"""Elevations of the probability grid, degrees."""

COMMON_RANGE = (0.0, 40.0)
"""Usual elevations of photographs of objects, degrees: equally likely."""

COMMON_SPREAD = 10.0
"""Standard deviation of the decrease of probability outside them, degrees."""

LIFTING_SPREAD = 13.0
"""Standard deviation of the error of a lifting's estimate, degrees, over unseen objects, cameras and lights."""

TEMPERATURE = 0.04
"""Difference in agreement that makes an elevation e times as likely, measured on the same objects."""

TOLERANCE = 10.0
"""Tolerable error, degrees: the confidence is the probability of staying within it."""

CLEAR_CONFIDENCE = 0.45
"""Confidence below which the image adds nothing to the prior over photographs, which alone gives 0.36."""

CANDIDATES = (-20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""Candidate elevations, degrees."""

TURNS = ((30.0, 0.0), (-30.0, 0.0), (60.0, 0.0), (-60.0, 0.0), (90.0, 0.0), (-90.0, 0.0), (0.0, 20.0), (0.0, -20.0))
"""Azimuth and elevation of the sampled views relative to the input's, degrees."""

MASK_SIZE = 32
"""Side of the silhouettes, pixels."""

HULL_RESOLUTION = 40
"""Points along each axis of the hull: at least one for every pixel of the silhouettes at their distance."""

HULL_RADIUS = 0.62
"""Half the side of the hull's cube, world units: the standard camera's view of the middle."""

BACKGROUND = 0.06
"""A pixel of a sampled view is background if no channel is darker than white by more than this."""


@dataclass(frozen=True)
class ElevationEstimate:
    """Estimate of the elevation."""

    elevation_deg: float
    """Median, degrees."""
    confidence: float
    """Probability that the median is within `TOLERANCE` of the truth."""
    alternatives: tuple[float, float]
    """Quartiles, degrees: they enclose the elevation with a probability of one half."""

    @property
    def clear(self) -> bool:
        """Whether the image adds information to the prior over photographs."""
        return self.confidence >= CLEAR_CONFIDENCE


def estimate_elevation(
    prior: ViewConditionedPrior,
    image: Float[Tensor, "1 3 size size"],
    mask: Float[Tensor, "1 1 size size"],
    candidates: Sequence[float] = CANDIDATES,
    guidance_scale: float = 3.0,
    steps: int = 20,
    seed: int = 0,
) -> ElevationEstimate:
    """Estimate the elevation by the prior's lifting, or by the agreement of views sampled around the input.

    Args:
        prior: The view-conditioned prior.
        image: The framed input image in [0, 1], over white, at the prior's `image_size`.
        mask: Its silhouette, in [0, 1].
        candidates: Candidate elevations at equal steps, degrees.
        guidance_scale: Of the samples.
        steps: DDIM steps of the samples.
        seed: Of their noise.

    Raises:
        ViewDistillError: The prior needs the elevation as an input (Stable-Zero123).
    """
    lifted = prior.condition(image.to(prior.device)).elevation
    if lifted is not None:
        return weigh(-0.5 * ((GRID - float(lifted)) / LIFTING_SPREAD) ** 2)
    views = sample_turns(prior, image, guidance_scale, steps, seed)
    sampled = (1 - views).amax(1, keepdim=True) > BACKGROUND
    masks = F.interpolate(torch.cat([mask, sampled.float()]), (MASK_SIZE, MASK_SIZE), mode="area")[:, 0] > 0.5
    return weigh_agreement(candidates, compare_elevations(masks, ((0.0, 0.0), *TURNS), candidates))


def weigh_agreement(candidates: Sequence[float], agreement: Sequence[float]) -> ElevationEstimate:
    """Estimate the elevation from the agreement of views at each candidate.

    Args:
        candidates: Elevations in order, degrees.
        agreement: Of each, in [0, 1].
    """
    curve = CubicSpline(candidates, agreement)(GRID.clip(candidates[0], candidates[-1]))
    return weigh(curve / TEMPERATURE)


def weigh(evidence: Float[np.ndarray, " grid"]) -> ElevationEstimate:
    """Estimate the elevation from log-likelihoods over `GRID`, up to a constant, and the prior over photographs."""
    low, high = COMMON_RANGE
    beyond = np.maximum(0, np.maximum(low - GRID, GRID - high))
    log_probability = evidence - 0.5 * (beyond / COMMON_SPREAD) ** 2
    probability = np.exp(log_probability - log_probability.max())
    probability /= probability.sum()
    # Half of a grid point's probability lies below it and half above.
    below = probability.cumsum() - probability / 2
    lower, median, upper = (float(np.interp(share, below, GRID)) for share in (0.25, 0.5, 0.75))
    return ElevationEstimate(median, float(probability[abs(GRID - median) <= TOLERANCE].sum()), (lower, upper))


@torch.no_grad()
def sample_turns(
    prior: ViewConditionedPrior, image: Float[Tensor, "1 3 size size"], guidance_scale: float, steps: int, seed: int
) -> Float[Tensor, "views 3 size size"]:
    """Sample views, in [0, 1], of an image's object from the cameras of `TURNS`."""
    poses = torch.tensor(
        [[-math.radians(up), math.sin(math.radians(turn)), math.cos(math.radians(turn)), 0.0] for turn, up in TURNS]
    )
    condition = prior.condition(image.to(prior.device))
    predict = view_noise_predictor(prior, condition, poses.to(prior.device), guidance_scale)
    noise = torch.randn((len(poses), *prior.latent_shape), generator=torch.Generator().manual_seed(seed))
    views = sample(predict, prior.schedule, noise.to(prior.device), Sampling(steps=steps))
    return prior.decode_samples(views).cpu()


def compare_elevations(
    masks: Bool[Tensor, "views size size"],
    turns: Sequence[tuple[float, float]],
    candidates: Sequence[float],
    fovy: float = FOVY_ZERO123,
    distance: float = DISTANCE,
) -> tuple[float, ...]:
    """Return the agreement of silhouettes at each elevation, in [0, 1].

    Args:
        masks: Silhouettes.
        turns: Azimuth and elevation of each relative to the first, degrees.
        candidates: Candidate elevations of the first, degrees.
        fovy: Vertical field of view, degrees.
        distance: Of the cameras from the origin, world units.
    """
    return tuple(hull_agreement(masks, turns, elevation, fovy, distance) for elevation in candidates)


def hull_agreement(
    masks: Bool[Tensor, "views size size"],
    turns: Sequence[tuple[float, float]],
    elevation: float,
    fovy: float,
    distance: float,
) -> float:
    """Return the share of a silhouette covered by the visual hull of all, in [0, 1]; mean over views."""
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
