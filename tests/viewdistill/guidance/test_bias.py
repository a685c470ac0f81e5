from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import NoisePredictor
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.guidance.bias import empty_text_predictor, noise_bias, recover_ddim, recover_one_step

SCHEDULE = NoiseSchedule()


def off_by(clean: Tensor, bias: Tensor, spread: float = 0.0) -> NoisePredictor:
    """Predicts the noise on ``clean`` exactly, plus a known bias, plus zero-mean errors."""
    generator = torch.Generator().manual_seed(9)

    def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
        alpha_bar = SCHEDULE.alpha_bar(timesteps)
        noise = (noisy - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()
        return noise + bias + spread * torch.randn(noisy.shape, generator=generator)

    return predict


def test_known_bias_is_found() -> None:
    clean, bias = torch.randn(2, 4, 8, 8), torch.zeros(4, 8, 8)
    bias[1, 2:4, 5] = 0.3
    found = noise_bias(off_by(clean, bias), SCHEDULE, clean, (50, 700), draws=3)
    assert [estimate.timestep for estimate in found] == [50, 700]
    for estimate in found:
        torch.testing.assert_close(estimate.map, bias.expand(2, -1, -1, -1), atol=1e-4, rtol=0)
        expected = 0.3 * (2 / 256) ** 0.5
        assert estimate.norm == pytest.approx(expected, rel=1e-2)
        assert estimate.mean_norm == pytest.approx(expected, rel=1e-2)
        assert estimate.noise_floor < 1e-4


def test_opposite_biases_cancel_over_images_only() -> None:
    clean, bias = torch.randn(2, 4, 8, 8), torch.tensor([0.2, -0.2]).view(2, 1, 1, 1)
    (estimate,) = noise_bias(off_by(clean, bias), SCHEDULE, clean, (300,), draws=2)
    assert estimate.norm == pytest.approx(0.2, rel=1e-3)
    assert estimate.mean_norm < 1e-4


def test_unbiased_errors_leave_the_noise_floor() -> None:
    clean = torch.randn(4, 4, 16, 16)
    (estimate,) = noise_bias(off_by(clean, torch.zeros(()), spread=0.5), SCHEDULE, clean, (200,), draws=25)
    assert estimate.noise_floor == pytest.approx(0.5 / 25**0.5, rel=0.05)
    assert estimate.norm == pytest.approx(estimate.noise_floor, rel=0.05)


def test_same_seed_compares_on_the_same_draws() -> None:
    clean = torch.randn(1, 4, 8, 8)

    def run(seed: int) -> Tensor:
        predictor: NoisePredictor = lambda noisy, timesteps: torch.zeros_like(noisy)  # noqa: E731
        return noise_bias(predictor, SCHEDULE, clean, (100,), 2, torch.Generator().manual_seed(seed))[0].map

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_one_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        noise_bias(lambda noisy, _: noisy, SCHEDULE, torch.zeros(1, 4, 2, 2), draws=1)


def test_one_step_recovers_the_image_up_to_the_bias() -> None:
    clean, noise = torch.randn(2, 2, 4, 8, 8)
    exact = off_by(clean, torch.zeros(()))
    torch.testing.assert_close(recover_one_step(exact, SCHEDULE, clean, 500, noise), clean, atol=1e-4, rtol=1e-4)
    alpha_bar = SCHEDULE.alphas_cumprod[500]
    recovered = recover_one_step(off_by(clean, torch.tensor(0.1)), SCHEDULE, clean, 500, noise)
    expected = clean - 0.1 * ((1 - alpha_bar) / alpha_bar).sqrt()
    torch.testing.assert_close(recovered, expected, atol=1e-4, rtol=1e-4)


def test_ddim_shows_the_image_that_the_predictor_believes_in() -> None:
    clean, other, noise = torch.randn(3, 2, 4, 8, 8)
    for believed in (clean, other):
        recovered = recover_ddim(off_by(believed, torch.zeros(())), SCHEDULE, clean, 500, noise)
        assert (
            recovered - believed
        ).abs().mean() < 0.06  # the last sample has the first noise level, √(1 − ᾱ_0) = .029
    assert (recovered - clean).abs().mean() > 0.5


def test_both_priors_can_be_measured(
    text_prior: Callable[..., TextConditionedPrior], view_prior: Callable[..., ViewConditionedPrior]
) -> None:
    text, view, latents = text_prior(), view_prior(), torch.randn(1, 4, 8, 8)
    for prior, predict in ((text, empty_text_predictor(text)), (view, view.predict_noise_unconditional)):
        (estimate,) = noise_bias(predict, prior.schedule, latents, (400,), 2, torch.Generator().manual_seed(0))
        generator, errors = torch.Generator().manual_seed(0), []
        for _ in range(2):
            noise = torch.randn(1, 4, 8, 8, generator=generator)
            t = torch.tensor([400])
            errors.append(predict(prior.schedule.add_noise(latents, noise, t), t) - noise)
        torch.testing.assert_close(estimate.map, (errors[0] + errors[1]) / 2)
