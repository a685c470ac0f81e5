from collections.abc import Callable

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import (
    NoisePredictor,
    NoisyStart,
    ddim_timesteps,
    sample_ddim,
    text_noise_predictor,
    view_noise_predictor,
)
from viewdistill.diffusion.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule()
SHAPE = (2, 4, 8, 8)


def knows(clean: Tensor) -> NoisePredictor:
    """The exact predictor of a distribution with one image."""

    def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
        alpha_bar = SCHEDULE.alpha_bar(timesteps)
        return (noisy - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()

    return predict


def test_timesteps_by_hand() -> None:
    assert ddim_timesteps(SCHEDULE, 4) == [751, 501, 251, 1]
    assert ddim_timesteps(SCHEDULE, 1) == [1]
    assert ddim_timesteps(SCHEDULE, 50)[:2] == [981, 961]
    assert ddim_timesteps(SCHEDULE, 50, start=181) == [181, 161, 141, 121, 101, 81, 61, 41, 21, 1]
    assert ddim_timesteps(SCHEDULE, 50, start=200)[:2] == [200, 181]
    assert ddim_timesteps(NoiseSchedule(steps_offset=0), 4) == [750, 500, 250, 0]


@pytest.mark.parametrize("steps", [1, 3, 50, 75, 999, 1000])
def test_any_number_of_steps(steps: int) -> None:
    timesteps = ddim_timesteps(SCHEDULE, steps)
    expected = sorted((t + 1 for t in range(0, 1000, 1000 // steps) if t + 1 < 1000), reverse=True)
    assert timesteps == expected
    assert timesteps[-1] == 1


@pytest.mark.parametrize(("steps", "start"), [(0, None), (1001, None), (10, 1000), (10, -1)])
def test_impossible_runs_are_refused(steps: int, start: int | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        ddim_timesteps(SCHEDULE, steps, start)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_equals_the_sampler_of_diffusers(text_prior: Callable[..., TextConditionedPrior], prediction_type: str) -> None:
    prior = text_prior(prediction_type=prediction_type)
    empty = prior.encode_text([""])
    theirs = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,  # pyright: ignore[reportArgumentType]
    )
    theirs.set_timesteps(10)
    latents = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    for t in theirs.timesteps:
        with torch.no_grad():
            output = prior.unet(latents, t, empty.expand(2, -1, -1), return_dict=False)[0]
        latents = theirs.step(output, t, latents, return_dict=False)[0]  # pyright: ignore[reportArgumentType]
    ours = sample_ddim(
        lambda noisy, t: prior.predict_noise(noisy, t, empty),
        prior.schedule,
        SHAPE,
        steps=10,
        generator=torch.Generator().manual_seed(0),
    )
    torch.testing.assert_close(ours, latents, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_exact_predictor_gives_its_image(eta: float) -> None:
    clean = torch.randn(SHAPE)
    schedule = NoiseSchedule(set_alpha_to_one=True)
    generator = torch.Generator().manual_seed(0)
    sample = sample_ddim(knows(clean), schedule, SHAPE, 7, eta, generator)
    torch.testing.assert_close(sample, clean, atol=1e-4, rtol=1e-4)


def test_last_sample_is_at_the_first_noise_level() -> None:
    clean = torch.zeros(SHAPE)
    start = NoisyStart(torch.ones(SHAPE), 1)
    alpha_bar = SCHEDULE.alphas_cumprod
    expected = ((1 - alpha_bar[0]) / (1 - alpha_bar[1])).sqrt()
    sample = sample_ddim(knows(clean), SCHEDULE, SHAPE, start=start)
    torch.testing.assert_close(sample, torch.full(SHAPE, float(expected)))


def test_eta_one_is_ancestral_sampling() -> None:
    # From t = 751 to t = 501 with a clean estimate of 0: the variance must be the DDPM posterior's.
    seen: list[Tensor] = []

    def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
        seen.append(noisy)
        return knows(torch.zeros(()))(noisy, timesteps)

    shape = (4, 4, 64, 64)
    sample_ddim(predict, SCHEDULE, shape, 4, 1.0, torch.Generator().manual_seed(0), NoisyStart(torch.zeros(shape), 751))
    alpha_bar = SCHEDULE.alphas_cumprod
    variance = (1 - alpha_bar[501]) / (1 - alpha_bar[751]) * (1 - alpha_bar[751] / alpha_bar[501])
    assert seen[1].var() == pytest.approx(float(variance), rel=0.02)


def test_same_seed_same_sample_and_clamp_bounds() -> None:
    def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
        return -noisy

    def run(seed: int, clamp: float | None = None) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        schedule = NoiseSchedule(set_alpha_to_one=True)
        return sample_ddim(predict, schedule, SHAPE, 5, 1.0, generator, clamp=clamp)

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))
    assert run(0).abs().max() > 2
    assert run(0, clamp=2.0).abs().max() <= 2  # the last sample is the last clean estimate


def test_view_guidance_by_hand(view_prior: Callable[..., ViewConditionedPrior]) -> None:
    prior, noisy, t, pose = view_prior(), torch.randn(SHAPE), torch.tensor([5, 600]), torch.randn(2, 4)
    condition = prior.condition(torch.rand(1, 3, 32, 32))
    conditional = prior.predict_noise(noisy, t, condition, pose)
    unconditional = prior.predict_noise_unconditional(noisy, t)
    guided = view_noise_predictor(prior, condition, pose, 3.0)(noisy, t)
    torch.testing.assert_close(guided, -2 * unconditional + 3 * conditional, atol=1e-4, rtol=1e-4)
    rows: list[int] = []
    prior.unet.register_forward_hook(lambda _module, inputs, _output: rows.append(len(inputs[0])))
    torch.testing.assert_close(view_noise_predictor(prior, condition, pose, 1.0)(noisy, t), conditional)
    assert rows == [2]


def test_text_guidance_by_hand(text_prior: Callable[..., TextConditionedPrior]) -> None:
    prior, noisy, t = text_prior(), torch.randn(SHAPE), torch.tensor([5, 600])
    text, negative = prior.encode_text(["a", "b"]), prior.encode_text([""])
    conditional, unconditional = prior.predict_noise(noisy, t, text), prior.predict_noise(noisy, t, negative)
    rows: list[int] = []
    prior.unet.register_forward_hook(lambda _module, inputs, _output: rows.append(len(inputs[0])))
    guided = text_noise_predictor(prior, text, negative, 6.5)(noisy, t)
    torch.testing.assert_close(guided, unconditional + 6.5 * (conditional - unconditional), atol=1e-4, rtol=1e-4)
    assert rows == [4]
    torch.testing.assert_close(text_noise_predictor(prior, text, negative, 1.0)(noisy, t), conditional)
    assert rows == [4, 2]
