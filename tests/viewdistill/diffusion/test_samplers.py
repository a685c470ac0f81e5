"""Samplers: every solver against what is known exactly, and DDIM against its formula."""

import itertools
import typing
from collections.abc import Callable

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import (
    NoisePredictor,
    Sampling,
    Scheduler,
    Spacing,
    denoise,
    sample,
    sampling_timesteps,
    text_noise_predictor,
    view_noise_predictor,
)
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError

SCHEDULE = NoiseSchedule()
SHAPE = (2, 4, 8, 8)


def knows(clean: Tensor) -> NoisePredictor:
    """The exact predictor of a distribution with one image."""

    def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
        alpha_bar = SCHEDULE.alpha_bar(timesteps)
        return (noisy - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()

    return predict


def curved(noisy: Tensor, timesteps: Tensor) -> Tensor:
    """The exact predictor of standard normal latents with a ripple: its solution is not a straight line."""
    alpha_bar = SCHEDULE.alpha_bar(timesteps)
    return (1 - alpha_bar).sqrt() * noisy + 0.1 * torch.sin(3 * noisy)


def ddim_by_formula(predict: NoisePredictor, latents: Tensor, timesteps: list[int]) -> Tensor:
    """Equation 12 of the DDIM paper with σ = 0, in fp32 and with ᾱ as Python's numbers."""
    levels = [*SCHEDULE.alphas_cumprod[timesteps].tolist(), SCHEDULE.final_alpha_cumprod]
    for t, (_, following) in zip(timesteps, itertools.pairwise(levels), strict=True):
        batch_t = torch.full((len(latents),), t)
        epsilon = predict(latents, batch_t)
        clean = SCHEDULE.clean_from_epsilon(epsilon, latents, batch_t)
        latents = following**0.5 * clean + (1 - following) ** 0.5 * epsilon
    return latents


def test_timesteps_by_hand() -> None:
    def of(steps: int, start: int | None = None, spacing: Spacing = "leading") -> list[int]:
        return sampling_timesteps(SCHEDULE, Sampling(steps=steps, spacing=spacing), start)

    assert of(4) == [751, 501, 251, 1]
    assert of(1) == [1]
    assert of(50)[:2] == [981, 961]
    assert of(50, start=181) == [181, 161, 141, 121, 101, 81, 61, 41, 21, 1]
    assert of(50, start=200)[:2] == [200, 181]
    assert of(4, spacing="trailing") == [999, 749, 499, 249]
    assert of(4, start=300, spacing="trailing") == [300, 249]
    assert sampling_timesteps(NoiseSchedule(steps_offset=0), Sampling(steps=4)) == [750, 500, 250, 0]


@pytest.mark.parametrize("steps", [1, 3, 50, 75, 999, 1000])
def test_any_number_of_steps(steps: int) -> None:
    timesteps = sampling_timesteps(SCHEDULE, Sampling(steps=steps))
    expected = sorted((t + 1 for t in range(0, 1000, 1000 // steps) if t + 1 < 1000), reverse=True)
    assert timesteps == expected
    assert timesteps[-1] == 1
    trailing = sampling_timesteps(SCHEDULE, Sampling(steps=steps, spacing="trailing"))
    assert (trailing[0], len(set(trailing))) == (999, steps)


@pytest.mark.parametrize("steps", [0, 1001])
def test_impossible_numbers_of_steps_are_refused(steps: int) -> None:
    with pytest.raises(ViewDistillError, match=f"steps is {steps}"):
        Sampling(steps=steps)


@pytest.mark.parametrize(("steps", "start"), [(600, None), (10, 500), (10, -1)])
def test_impossible_runs_are_refused(steps: int, start: int | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        sampling_timesteps(NoiseSchedule(num_train_timesteps=500), Sampling(steps=steps), start)


@pytest.mark.parametrize("start", [None, 50, 200])
@pytest.mark.parametrize("steps", [25, 50])
def test_ddim_equals_its_formula(steps: int, start: int | None) -> None:
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    sampling = Sampling(steps=steps)
    ours = (
        sample(curved, SCHEDULE, noise, sampling)
        if start is None
        else denoise(curved, SCHEDULE, noise, start, sampling)
    )
    expected = ddim_by_formula(curved, noise, sampling_timesteps(SCHEDULE, sampling, start))
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_equals_the_pipelines_of_diffusers(
    text_prior: Callable[..., TextConditionedPrior], prediction_type: str
) -> None:
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
    noise = latents = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    for t in theirs.timesteps:
        with torch.no_grad():
            output = prior.unet(latents, t, empty.expand(2, -1, -1), return_dict=False)[0]
        latents = theirs.step(output, t, latents, return_dict=False)[0]  # pyright: ignore[reportArgumentType]
    ours = sample(lambda noisy, t: prior.predict_noise(noisy, t, empty), prior.schedule, noise, Sampling(steps=10))
    torch.testing.assert_close(ours, latents, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("spacing", typing.get_args(Spacing))
@pytest.mark.parametrize("scheduler", typing.get_args(Scheduler))
def test_exact_predictor_gives_its_image(scheduler: Scheduler, spacing: Spacing) -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)
    schedule = NoiseSchedule(set_alpha_to_one=True)
    sampling = Sampling(scheduler=scheduler, steps=7, spacing=spacing)
    torch.testing.assert_close(sample(knows(clean), schedule, noise, sampling), clean, atol=1e-4, rtol=1e-4)
    noisy = schedule.add_noise(clean, noise, torch.full((2,), 333))
    found = denoise(knows(clean), schedule, noisy, 333, sampling)
    torch.testing.assert_close(found, clean, atol=1e-4, rtol=1e-4)


def test_solvers_of_higher_order_need_fewer_steps() -> None:
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    exact = sample(curved, SCHEDULE, noise, Sampling(steps=1000))

    def error(scheduler: Scheduler) -> float:
        few = sample(curved, SCHEDULE, noise, Sampling(scheduler=scheduler, steps=20, spacing="trailing"))
        return float((few - exact).square().mean())

    ddim = error("DDIMScheduler")
    assert error("DPMSolverMultistepScheduler") < ddim / 2
    assert error("UniPCMultistepScheduler") < ddim / 2


def test_predictor_sees_the_noise_levels_of_the_prior() -> None:
    # Solvers that carry z_t / √ᾱ_t hand the predictor z_t all the same.
    clean, noise = torch.zeros(SHAPE), torch.ones(SHAPE)
    for scheduler in typing.get_args(Scheduler):
        seen: dict[int, Tensor] = {}

        def predict(noisy: Tensor, timesteps: Tensor, seen: dict[int, Tensor] = seen) -> Tensor:
            seen[int(timesteps[0])] = noisy
            return knows(clean)(noisy, timesteps)

        denoise(
            predict,
            SCHEDULE,
            SCHEDULE.add_noise(clean, noise, torch.tensor([400, 400])),
            400,
            Sampling(scheduler=scheduler, steps=10),
        )
        assert list(seen) == [400, 301, 201, 101, 1], scheduler
        for t, noisy in seen.items():
            expected = (1 - SCHEDULE.alphas_cumprod[t]).sqrt()
            torch.testing.assert_close(noisy, torch.full(SHAPE, float(expected)), atol=1e-5, rtol=1e-5)


def test_last_sample_of_ddim_is_at_the_first_noise_level() -> None:
    alpha_bar = SCHEDULE.alphas_cumprod
    expected = ((1 - alpha_bar[0]) / (1 - alpha_bar[1])).sqrt()
    found = denoise(knows(torch.zeros(SHAPE)), SCHEDULE, torch.ones(SHAPE), 1, Sampling())
    torch.testing.assert_close(found, torch.full(SHAPE, float(expected)))


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
