"""The pull of a guidance at the truth: by hand from errors, and on random priors."""

from pathlib import Path

import pytest
import torch

from commands.evaluation.evaluate_prior import Pairs
from experiments.measurements.pull import COMPARED, Pull, measure, plot, pull_of
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.guidance.bias import BIAS_TIMESTEPS


def errors(**means: float) -> dict[str, torch.Tensor]:
    """Errors of branches that have these means and no spread beyond a shared wave."""
    wave = torch.linspace(-1, 1, 4 * 2 * 4 * 8 * 8).reshape(4, 2, 4, 8, 8)
    wave = wave - wave.mean(0)
    return {name: wave + mean for name, mean in means.items()}


def test_errors_that_both_branches_make_cancel_and_the_others_pull() -> None:
    found = errors(conditional=0.3, view=0.3, text=-0.1)
    pulls = {method: pull_of(method, 100, found, scale=4.0) for method in COMPARED}
    assert pulls["csd"].pull == pytest.approx(0, abs=1e-5)
    assert pulls["usd"].pull == pytest.approx(0.4, abs=1e-5)  # 0.3 + 0.1
    assert pulls["sds"].pull == pytest.approx(0.3 / 4, abs=1e-5)
    assert pulls["sds-rectified"].pull == pytest.approx(0.4 - 0.1 / 4, abs=1e-5)
    assert pulls["usd"].correlation == pytest.approx(1)
    assert pulls["usd"].noise_floor == pytest.approx(0, abs=1e-5)


def test_spread_between_draws_is_the_noise_floor() -> None:
    torch.manual_seed(0)
    found = {name: torch.randn(16, 8, 4, 16, 16) for name in ("conditional", "view", "text")}
    pull = pull_of("usd", 100, found, scale=2.0)
    assert pull.noise_floor == pytest.approx(2**0.5 / 4, rel=0.02)
    assert pull.pull == pytest.approx(pull.noise_floor, rel=0.02)
    assert abs(pull.correlation) < 0.02


def test_random_priors_are_measured_and_drawn(tiny_prior_folder: Path) -> None:
    view = ViewConditionedPrior.from_folder(tiny_prior_folder / "zero123")
    text = TextConditionedPrior.from_folder(tiny_prior_folder / "stable-diffusion")
    size = view.image_size
    images = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    pairs = Pairs(images[:3], images[1:], torch.tensor([[0.1, 0.0, 1.0, 0.0]] * 3), torch.full((3,), 10.0))
    pulls = measure(view, text, pairs, scale=3.0, draws=2, batch=2)
    assert [(p.method, p.timestep) for p in pulls] == [(m, t) for t in BIAS_TIMESTEPS for m in COMPARED]
    assert all(isinstance(p, Pull) and p.pull > 0 and -1 <= p.correlation <= 1 for p in pulls)
    assert len(plot(pulls).axes) == 2
