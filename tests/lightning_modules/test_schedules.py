"""Learning rates over a fit."""

import pytest
import torch

from lightning_modules.field_settings import OptimizerSettings
from lightning_modules.schedules import value_at
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.timesteps import Annealed

OFFICIAL = OptimizerSettings(
    factor=Annealed(1.0, 0.1, begin=0.025, end=1.0), factor_shape="exponential", warm_up=0.025, warm_up_from=0.01
)
"""The surface's in the full-size preset, of 20,000 steps."""


def test_the_full_size_schedule_is_that_of_instant_nsr_pl() -> None:
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.AdamW([weight], lr=1.0)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.1 ** (1 / 19_500))
    theirs = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm_up, decay], milestones=[500])
    for step in range(2000):
        assert OFFICIAL.factor_at(step / 20_000) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9), step
        optimizer.step()
        theirs.step()
    assert OFFICIAL.factor_at(1.0) == pytest.approx(0.1)


def test_an_exponential_value_changes_by_equal_ratios_between_its_ends() -> None:
    annealed = Annealed(1.0, 0.01, begin=0.2, end=0.6)
    values = [value_at(annealed, progress, "exponential") for progress in (0.0, 0.2, 0.3, 0.4, 0.6, 1.0)]
    assert values == pytest.approx([1.0, 1.0, 10**-0.5, 0.1, 0.01, 0.01])


def test_without_a_warm_up_the_factor_is_the_annealed_one() -> None:
    assert [OptimizerSettings().factor_at(progress) for progress in (0.0, 0.8, 1.0)] == pytest.approx([1.0, 0.55, 0.1])


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(ViewDistillError, match="warm_up is 1"):
        OptimizerSettings(warm_up=1.0)
    with pytest.raises(ViewDistillError, match="factor is 0"):
        OptimizerSettings(factor=Annealed(1.0, 0.0), factor_shape="exponential")
