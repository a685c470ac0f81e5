"""The study of starts: what is compared, and what its figures mean."""

import pytest
import torch
from torch.nn import functional as F

from experiments.measurements.sampling_start import gradient_length, measure, solver_arms, start_arms, subject_of
from viewdistill.objects.generator import TEST_SEEDS


def test_every_start_meets_every_scale() -> None:
    arms = start_arms((None, 400), (1.0, 3.0))
    starts = {(arm.start, arm.guidance_scale, arm.shared_noise) for arm in arms.values()}
    assert {(start, scale, 0.0) for start in ("noise", "lifted_mean") for scale in (1.0, 3.0)} <= starts
    assert next(iter(solver_arms())) == "DDIM 50, leading"


def test_truth_is_sharp_and_agrees_with_itself_better_than_blur_or_noise_do() -> None:
    subject = subject_of(TEST_SEEDS[0], views=5, size=32)
    assert subject.truth.shape == (5, 3, 32, 32)
    truth = measure("truth", [subject], [subject.truth], seconds=10.0)
    assert (truth.sharpness, truth.seconds) == (1.0, 2.0)
    blurred = F.avg_pool2d(subject.truth, 5, stride=1, padding=2, count_include_pad=False)
    assert measure("blurred", [subject], [blurred], 0.0).sharpness < 0.9
    noise = torch.rand(subject.truth.shape, generator=torch.Generator().manual_seed(0))
    noisy = measure("noise", [subject], [noise], 0.0)
    assert noisy.sharpness > 1
    assert noisy.agreement < truth.agreement
    assert noisy.psnr < 10


def test_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = torch.linspace(0, 1, 11).expand(1, 3, 11, 11)
    assert gradient_length(ramp) == pytest.approx(0.1)
