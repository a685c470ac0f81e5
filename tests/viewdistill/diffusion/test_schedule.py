import json
from pathlib import Path

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from viewdistill.diffusion.schedule import NoiseSchedule, PredictionType
from viewdistill.errors import ViewDistillError

STABLE_DIFFUSION = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}


@pytest.mark.parametrize("beta_schedule", ["scaled_linear", "linear"])
def test_noise_levels_are_those_of_diffusers(beta_schedule: str) -> None:
    config = STABLE_DIFFUSION | {"beta_schedule": beta_schedule}
    expected = DDIMScheduler.from_config(config).alphas_cumprod  # pyright: ignore[reportAttributeAccessIssue]
    torch.testing.assert_close(NoiseSchedule.from_config(config).alphas_cumprod, expected, atol=1e-6, rtol=1e-5)


def test_first_noise_levels_by_hand() -> None:
    # β_0 = .00085, and √β_1 = √.00085 + (√.012 − √.00085) / 999.
    first = 1 - 0.00085
    root = 0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) / 999
    expected = torch.tensor([first, first * (1 - root**2)])
    torch.testing.assert_close(NoiseSchedule().alphas_cumprod[:2], expected, atol=1e-7, rtol=0)
    assert NoiseSchedule().final_alpha_cumprod == pytest.approx(first)
    assert NoiseSchedule(set_alpha_to_one=True).final_alpha_cumprod == 1.0


def test_conversions_return_the_noise_and_the_clean_latents() -> None:
    schedule, t = NoiseSchedule(), torch.tensor([1, 500, 999])
    latents, noise = torch.randn(2, 3, 4, 2, 2, dtype=torch.float64)
    noisy, velocity = schedule.add_noise(latents, noise, t), schedule.velocity(latents, noise, t)
    torch.testing.assert_close(schedule.epsilon_from_velocity(velocity, noisy, t), noise, atol=1e-5, rtol=0)
    torch.testing.assert_close(schedule.clean_from_epsilon(noise, noisy, t), latents, atol=1e-5, rtol=0)
    assert noisy[2].sub(noise[2]).abs().max() < noisy[0].sub(noise[0]).abs().max()


def test_output_is_converted_by_its_type() -> None:
    t, output, noisy = torch.tensor([300]), torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
    assert torch.equal(NoiseSchedule().epsilon_from_output(output, noisy, t), output)
    schedule = NoiseSchedule(prediction_type="v_prediction")
    alpha_bar = schedule.alphas_cumprod[300]
    expected = alpha_bar.sqrt() * output + (1 - alpha_bar).sqrt() * noisy
    torch.testing.assert_close(schedule.epsilon_from_output(output, noisy, t), expected)


def test_half_precision_outputs_are_converted_in_full() -> None:
    schedule, t = NoiseSchedule(prediction_type="v_prediction"), torch.tensor([10])
    epsilon = schedule.epsilon_from_output(torch.randn(1, 4, 2, 2).half(), torch.randn(1, 4, 2, 2), t)
    assert epsilon.dtype == torch.float32


def test_absent_entries_mean_what_diffusers_means() -> None:
    required = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
    schedule = NoiseSchedule.from_config({name: STABLE_DIFFUSION[name] for name in required})
    assert (schedule.prediction_type, schedule.steps_offset, schedule.set_alpha_to_one) == ("epsilon", 0, True)


def test_noise_levels_are_compared_without_the_output_type() -> None:
    assert NoiseSchedule().has_noise_levels_of(NoiseSchedule(prediction_type="v_prediction"))
    assert not NoiseSchedule().has_noise_levels_of(NoiseSchedule(beta_schedule="linear"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"beta_schedule": "squaredcos_cap_v2"}, "beta_schedule"),
        ({"prediction_type": "sample"}, "prediction_type"),
        ({"trained_betas": [0.1, 0.2]}, "trained_betas"),
        ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr"),
    ],
)
def test_unknown_schedules_are_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(ViewDistillError, match=named):
        NoiseSchedule.from_config(STABLE_DIFFUSION | change)


def test_folder_is_read_and_its_defects_named(tmp_path: Path) -> None:
    with pytest.raises(ViewDistillError, match=r"scheduler_config\.json: no such file"):
        NoiseSchedule.from_folder(tmp_path)
    path = tmp_path / "scheduler_config.json"
    path.write_text("{")
    with pytest.raises(ViewDistillError, match="not readable as JSON"):
        NoiseSchedule.from_folder(tmp_path)
    path.write_text(json.dumps({"beta_start": 0.1}))
    with pytest.raises(ViewDistillError, match="no num_train_timesteps, beta_end, beta_schedule"):
        NoiseSchedule.from_folder(tmp_path)
    path.write_text(json.dumps(STABLE_DIFFUSION | {"prediction_type": "v_prediction"}))
    assert NoiseSchedule.from_folder(tmp_path) == NoiseSchedule(prediction_type="v_prediction")


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_the_training_target_is_what_gives_the_noise_back(prediction_type: PredictionType) -> None:
    schedule = NoiseSchedule(prediction_type=prediction_type)
    latents, noise = torch.randn(2, 3, 4, 2, 2)
    timesteps = torch.tensor([10, 500, 900])
    target = schedule.training_target(latents, noise, timesteps)
    noisy = schedule.add_noise(latents, noise, timesteps)
    assert torch.allclose(schedule.epsilon_from_output(target, noisy, timesteps), noise, atol=1e-5)
    assert torch.equal(target, noise) == (prediction_type == "epsilon")
