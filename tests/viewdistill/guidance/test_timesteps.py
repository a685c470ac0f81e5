import pytest
import torch

from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.guidance.timesteps import Annealed, SquareRootTimesteps, UniformTimesteps, draw


def test_linear_change_by_hand() -> None:
    value = Annealed(0.8, 0.4, begin=0.25, end=0.75)
    assert [value(p) for p in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx([0.8, 0.8, 0.6, 0.4, 0.4])


def test_hard_switch() -> None:
    value = Annealed(0.98, 0.5, begin=1 / 3, end=1 / 3)
    assert [value(step / 15000) for step in (0, 4999, 5000, 14999)] == [0.98, 0.98, 0.5, 0.5]


@pytest.mark.parametrize(("begin", "end"), [(0.6, 0.5), (-0.1, 0.5), (0.5, 1.1)])
def test_disordered_change_is_refused(begin: float, end: float) -> None:
    with pytest.raises(ValueError, match="0 ≤ begin ≤ end ≤ 1"):
        Annealed(1.0, 0.0, begin, end)


def test_bounds_of_the_paper() -> None:
    timesteps = UniformTimesteps()
    assert timesteps.bounds(0.0) == (20, 980)
    assert timesteps.bounds(0.5) == (20, 500)
    assert timesteps.bounds(0.5, num_train_timesteps=100) == (2, 50)


def test_draws_fill_the_bounds_and_no_more() -> None:
    timesteps = UniformTimesteps(Annealed(0.3, 0.3), Annealed(0.303, 0.303))
    drawn = timesteps.sample(400, 0.0, torch.Generator().manual_seed(0))
    assert drawn.unique().tolist() == [300, 301, 302, 303]


def test_a_draw_gives_t_and_noise_from_one_stream() -> None:
    latents, schedule = torch.zeros(3, 4, 2, 2), NoiseSchedule(num_train_timesteps=100)
    t, noise = draw(SquareRootTimesteps(), latents, 0.25, schedule, torch.Generator().manual_seed(1))
    assert t.tolist() == [64, 64, 64]
    assert torch.equal(noise, torch.randn(latents.shape, generator=torch.Generator().manual_seed(1)))


def test_draws_are_seeded() -> None:
    first, again, other = (
        UniformTimesteps().sample(16, 0.1, torch.Generator().manual_seed(seed)) for seed in (4, 4, 5)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_impossible_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="timesteps 500 to 400 at progress"):
        UniformTimesteps(Annealed(0.5, 0.5), Annealed(0.4, 0.4)).bounds(0.5)
    with pytest.raises(ValueError, match="maximum < 1000"):
        UniformTimesteps(Annealed(0.5, 0.5), Annealed(1.0, 1.0)).bounds(0.0)


def test_square_root_by_hand() -> None:
    timesteps = SquareRootTimesteps()
    assert [int(timesteps.sample(1, p)[0]) for p in (0.0, 0.25, 1.0)] == [980, 640, 300]
    assert timesteps.sample(3, 0.25).tolist() == [640, 640, 640]
