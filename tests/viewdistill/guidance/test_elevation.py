"""The elevation of the input camera from silhouettes: right for true ones, and a real prior goes through it."""

import numpy as np
import pytest
import torch

from viewdistill.cameras import FOVY_ZERO123
from viewdistill.guidance.elevation import (
    CANDIDATES,
    CLEAR_CONFIDENCE,
    COMMON_RANGE,
    GRID,
    MASK_SIZE,
    TURNS,
    compare_elevations,
    estimate_elevation,
    weigh,
    weigh_agreement,
)
from viewdistill.objects.generator import generate
from viewdistill.objects.render import poses, render

VIEWS = ((0.0, 0.0), *TURNS)


def true_silhouettes(seed: int, elevation: float) -> torch.Tensor:
    """Of a generated object from all cameras of the estimate."""
    c2w = poses([25 + turn for turn, _ in VIEWS], [elevation + up for _, up in VIEWS])
    return torch.from_numpy(render(generate(seed), c2w, FOVY_ZERO123, MASK_SIZE, 3).alpha > 127)


@pytest.mark.parametrize(("seed", "elevation"), [(10_000_112, 25.0), (10_000_118, 10.0), (10_000_147, 40.0)])
def test_true_views_tell_the_elevation(seed: int, elevation: float):
    agreement = compare_elevations(true_silhouettes(seed, elevation), VIEWS, CANDIDATES)
    assert max(agreement) > 0.95
    estimate = weigh_agreement(CANDIDATES, agreement)
    assert estimate.elevation_deg == pytest.approx(elevation, abs=8)
    assert estimate.clear
    assert estimate.alternatives[0] < estimate.elevation_deg < estimate.alternatives[1]


def test_views_that_never_change_tell_nothing_but_the_common_range():
    # The same round picture from everywhere: a ball, of which no elevation is better than another.
    y, x = np.mgrid[-1 : 1 : MASK_SIZE * 1j, -1 : 1 : MASK_SIZE * 1j]
    masks = torch.from_numpy(x**2 + y**2 < 0.3).expand(len(VIEWS), -1, -1)
    estimate = weigh_agreement(CANDIDATES, compare_elevations(masks, VIEWS, CANDIDATES))
    assert not estimate.clear
    assert estimate.elevation_deg == pytest.approx(sum(COMMON_RANGE) / 2, abs=8)


def test_without_evidence_the_common_range_alone_counts():
    estimate = weigh(np.zeros_like(GRID))
    assert estimate.elevation_deg == pytest.approx(20, abs=0.1)
    assert estimate.confidence == pytest.approx(0.33, abs=0.04)
    assert estimate.confidence < CLEAR_CONFIDENCE


@pytest.mark.parametrize(("found", "taken"), [(20.0, 20.0), (-20.0, -7.5), (60.0, 47.5)])
def test_uncommon_elevations_need_strong_evidence(found: float, taken: float):
    weak = weigh(-0.5 * ((GRID - found) / 13) ** 2)
    strong = weigh(-0.5 * ((GRID - found) / 3) ** 2)
    assert weak.elevation_deg == pytest.approx(taken, abs=3)
    assert strong.elevation_deg == pytest.approx(found, abs=3)
    assert strong.confidence > weak.confidence


def test_a_prior_without_a_lifting_samples_and_its_seed_repeats_the_estimate(view_prior):
    prior = view_prior()
    image, mask = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    first, second = (estimate_elevation(prior, image, mask, (0.0, 20.0, 40.0), steps=2) for _ in range(2))
    assert first == second
    assert 0 < first.confidence < 1
