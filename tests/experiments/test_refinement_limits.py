"""What limits refinement: what learns is what should, and every network is measured at every t."""

import math
from pathlib import Path

import pytest
import torch

from datamodules.dreambooth import PromptedImages
from datamodules.runs.run_folder import RunFolder
from datamodules.seeding import Purpose, generator_at
from experiments.measurements.refinement_limits import (
    LEARNERS,
    Refined,
    RunViews,
    adapted,
    main,
    measure,
    networks,
    plot,
    train,
)
from lightning_modules.specialization import Specialization
from viewdistill.diffusion.lora import save_lora

STEPS = 3


@pytest.fixture
def prior(tiny_prior_folder: Path) -> str:
    return str(tiny_prior_folder / "stable-diffusion")


@pytest.fixture
def subject(prior: str, tmp_path: Path) -> RunViews:
    module, lora = adapted(prior, rank=2), tmp_path / "lora.safetensors"
    save_lora(module.prior.unet, lora)
    size, generator = module.prior.image_size, torch.Generator().manual_seed(0)
    truth = torch.rand(3, 3, size, size, generator=generator)
    return RunViews("toy", "a xkv zqj mug", lora, truth * 0.9, truth, truth[:2] * 0.5, 6.0)


def images_of(subject: RunViews) -> PromptedImages:
    return PromptedImages([*subject.truth[:, None]], subject.prompt, subject.truth.shape[-1])


def error_of(module: Specialization, images: PromptedImages) -> float:
    generator = generator_at(1, 0, Purpose.DIFFUSION)
    latents, text = module.encode(images).draw(torch.arange(3).repeat(8), generator)
    with torch.no_grad():
        return float(module.denoising_error(latents, text, generator).mean())


@pytest.mark.parametrize("whole", [False, True])
def test_only_what_should_learn_learns_and_it_learns(prior: str, subject: RunViews, whole: bool) -> None:
    module, images = adapted(prior, rank=2), images_of(subject)
    unet = module.prior.unet
    before, first = {name: weight.clone() for name, weight in unet.named_parameters()}, error_of(module, images)
    train(module, [*(unet.parameters() if whole else module.lora)], 1e-2, images, 30)
    changed = {name for name, weight in unet.named_parameters() if not torch.equal(weight, before[name])}
    adapters = {name for name in before if ".lora_" in name}
    assert changed > adapters if whole else changed == adapters
    assert error_of(module, images) < first


def test_every_network_is_measured_at_every_t(prior: str, subject: RunViews) -> None:
    rows = measure(subject, prior, STEPS, (50, 600))
    assert [(row.learner, row.timestep) for row in rows] == [(name, t) for name in LEARNERS for t in (50, 600)]
    assert {row.learned_from for row in rows if row.learner.endswith("truth")} == {math.inf}
    assert {row.learned_from for row in rows if not row.learner.endswith("truth")} == {6.0}
    assert len({row.refined for row in rows}) > len(LEARNERS)  # two networks that hardly learned may agree
    expected = 10 * math.log10(1 / float((0.1 * subject.truth).square().mean()))
    assert rows[0].renders == pytest.approx(expected, abs=0.3)  # a mean over views of decibels


def test_whole_networks_learn_from_different_images(prior: str, subject: RunViews) -> None:
    _, _, sampled, true = networks(subject, prior, 2)
    assert not torch.equal(sampled.prior.unet.conv_in.weight, true.prior.unet.conv_in.weight)


def test_lines_are_means_over_objects() -> None:
    rows = [Refined(name, LEARNERS[0], 50, 15.0, 16.0, 16.0 + gain) for name, gain in (("a", 0.1), ("b", 0.3))]
    (axes,) = plot(rows).axes
    assert axes.lines[0].get_ydata() == pytest.approx([0.2])


def test_a_run_that_is_not_complete_is_named(run_folder: RunFolder, tmp_path: Path, capsys) -> None:
    assert main([str(run_folder.root), f"--out={tmp_path / 'out'}"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("refinement_limits: ")
    assert str(run_folder.root) in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()
