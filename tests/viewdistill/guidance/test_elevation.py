"""The elevation of the input camera from silhouettes: right for true ones, and a real prior goes through it."""

import numpy as np
import pytest
import torch

from viewdistill.cameras import FOVY_ZERO123
from viewdistill.guidance.elevation import (
    CANDIDATES,
    CLEAR_MARGIN,
    MASK_SIZE,
    TURNS,
    compare_elevations,
    estimate_elevation,
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
    estimate = compare_elevations(true_silhouettes(seed, elevation), VIEWS, CANDIDATES)
    assert estimate.elevation_deg == pytest.approx(elevation, abs=6)
    assert estimate.margin > 2 * CLEAR_MARGIN
    assert max(estimate.agreement) > 0.95


def test_views_that_never_change_tell_nothing_between_the_candidates():
    # The same round picture from everywhere: a ball, of which no elevation is better than another.
    y, x = np.mgrid[-1 : 1 : MASK_SIZE * 1j, -1 : 1 : MASK_SIZE * 1j]
    masks = torch.from_numpy(x**2 + y**2 < 0.3).expand(len(VIEWS), -1, -1)
    assert compare_elevations(masks, VIEWS, CANDIDATES).margin < CLEAR_MARGIN


def test_the_parabola_between_candidates(monkeypatch: pytest.MonkeyPatch):
    # 1 - (e - 13)² / 1000 has its top at 13.
    monkeypatch.setattr(
        "viewdistill.guidance.elevation.hull_agreement", lambda masks, turns, e, fovy, distance: 1 - (e - 13) ** 2 / 1e3
    )
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    estimate = compare_elevations(masks, VIEWS, (-10.0, 0.0, 10.0, 20.0, 30.0))
    assert estimate.elevation_deg == pytest.approx(13)
    assert compare_elevations(masks, VIEWS, (20.0, 30.0)).elevation_deg == 20


def test_a_prior_of_the_real_class_gives_an_estimate_that_its_seed_repeats(view_prior):
    prior = view_prior()
    image, mask = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    first, second = (estimate_elevation(prior, image, mask, (0.0, 20.0, 40.0), steps=2) for _ in range(2))
    assert first == second
    assert len(first.agreement) == 3
    assert all(0 <= value <= 1 for value in first.agreement)
    assert 0 <= first.elevation_deg <= 40
