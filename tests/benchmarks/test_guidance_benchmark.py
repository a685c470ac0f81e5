"""The priors' part of a step: autoencoder, UNet, and `usd` against the official code's guidance with eight evaluations.

`Problem.official` does what the official USD code does in a step, written here anew: four calls of a UNet with two
samples each, of which it uses half. Zero-1-to-3 conditional and unconditional (unused) on the novel view; Stable
Diffusion for a text (unused) and the empty text on the novel view, on the render from the input camera, and on the
input image, which it encodes again every step. In both ways the latter two have the size of Stable Diffusion's images:
the novel view's with the nano prior, where ours evaluates all three together, and twice the novel view's with the
published priors, which is also measured with the nano prior. The posterior noise of the official way is left out, so
that both must agree.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from lightning_modules.loaded_priors import suit_to_device
from tests.benchmarks.pairs import note, only_when_timing, ratio
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.guidance.family import METHODS
from viewdistill.guidance.gradient import score_loss, weight
from viewdistill.guidance.predictions import Query
from viewdistill.guidance.predictors import Predictors
from viewdistill.guidance.reference import reference_gradient, reference_query
from viewdistill.pictures import resize
from viewdistill.resources import REPOSITORY

CPU = torch.device("cpu")
NANO = REPOSITORY / "priors" / "nano"

FULL_SIZE = os.environ.get("FULL_SIZE_PRIORS")
"""Folder of priors of the published sizes with random weights, which `make smoke-full` makes and passes on."""

GOAL = 1.8
"""Of the UNets: half the evaluations."""

GOAL_AT_TWO_SIZES = 1.6
"""The same with small networks and one more call, whose fixed cost they notice."""

GOAL_WHOLE = 1.4
"""With the autoencoder, of which the official way needs one encoding more."""


class Problem:
    """Both priors, a novel render, a render from the input camera, the input image, noise and timesteps.

    Args:
        view_prior: Folder.
        text_prior: Folder.
        enlarged: How much larger than the text prior's images the render from the input camera and the image are.
        device: Where.
        dtype: Precision of the priors.
    """

    def __init__(
        self,
        view_prior: Path,
        text_prior: Path,
        enlarged: int = 1,
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.view = ViewConditionedPrior.from_folder(view_prior, dtype, device)
        self.text = TextConditionedPrior.from_folder(text_prior, dtype, device)
        for prior in (self.view, self.text):
            suit_to_device(prior, device)
        generator, size, known = torch.Generator().manual_seed(0), self.view.image_size, enlarged * self.text.image_size
        self.novel = torch.rand(1, 3, size, size, generator=generator).to(device).requires_grad_()
        self.known = torch.rand(1, 3, known, known, generator=generator).to(device).requires_grad_()
        self.image = torch.rand(1, 3, known, known, generator=generator).to(device)
        self.noise = torch.randn(1, *self.view.latent_shape, generator=generator).to(device)
        channels, *latent_size = self.text.latent_shape
        latent_size = [enlarged * side for side in latent_size]
        self.reference_noise = torch.randn(1, channels, *latent_size, generator=generator).to(device)
        self.t, self.reference_t = torch.tensor([420], device=device), torch.tensor([610], device=device)
        self.pose = torch.tensor([[0.2, 0.5, 0.866, 0.0]], device=device)
        self.predictors = Predictors(self.view, self.text, image=resize(self.image, size))
        self.condition: Any = self.predictors.condition
        self.words = self.text.encode_text(["a red mug"])
        self.empty = self.text.encode_text([""])
        with torch.no_grad():
            self.image_latents = self.text.encode_images(self.image)

    def gradients(self, novel_loss: Tensor, known_loss: Tensor) -> tuple[Tensor, ...]:
        """Of both losses, by the two renders."""
        return torch.autograd.grad(novel_loss + known_loss, (self.novel, self.known))

    def usd(self) -> tuple[Tensor, ...]:
        """Our step: both renders encoded with gradient, four evaluations."""
        z, known = self.view.encode_images(self.novel), self.text.encode_images(self.known)
        g, g_reference = self.usd_scores(z.detach(), known.detach())
        return self.gradients(score_loss(z, g), score_loss(known, g_reference))

    def usd_scores(self, z: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """ε_Z(y, T), and ε_S(∅) of the novel view, of render and image: together where they have one size."""
        schedule, branches = self.text.schedule, METHODS["usd"].branches
        novel = Query(z, self.t, self.noise, schedule, branches, self.pose)
        pair = reference_query(known, self.image_latents, self.reference_t, self.reference_noise, schedule)
        answers = self.predictors.predict({"novel": novel, "reference": pair})
        return METHODS["usd"].combine(answers["novel"]), reference_gradient(answers["reference"])

    def official(self) -> tuple[Tensor, ...]:
        """The official code's step: a third encoding, eight evaluations, four of them used."""
        z, known = self.view.encode_images(self.novel), self.text.encode_images(self.known)
        with torch.no_grad():
            image = self.text.encode_images(self.image)
        g, g_reference = self.official_scores(z.detach(), known.detach(), image)
        return self.gradients(score_loss(z, g), score_loss(known, g_reference))

    def official_scores(self, z: Tensor, known: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Four calls of a UNet with two samples each."""
        z_t = self.text.schedule.add_noise(z, self.noise, self.t)
        by_view, _ = self.view.predict_noise_pair(z_t, self.t, self.condition, self.pose)
        _, by_nothing = self.text_pair(z_t, self.t)
        add = self.text.schedule.add_noise
        _, of_known = self.text_pair(add(known, self.reference_noise, self.reference_t), self.reference_t)
        _, of_image = self.text_pair(add(image, self.reference_noise, self.reference_t), self.reference_t)
        g = weight(self.text.schedule, self.t, "sds") * 7.5 * (by_view - by_nothing)
        g_reference = weight(self.text.schedule, self.reference_t, "sds") * (of_known - of_image)
        return g, g_reference

    def usd_evaluations(self) -> tuple[Tensor, Tensor]:
        return self.usd_scores(self.noise, self.image_latents)

    def official_evaluations(self) -> tuple[Tensor, Tensor]:
        return self.official_scores(self.noise, self.image_latents, self.image_latents)

    def text_pair(self, noisy: Tensor, timesteps: Tensor) -> tuple[Tensor, ...]:
        """Predictions for the text and for the empty text, in one call."""
        both = torch.cat([self.words, self.empty])
        return self.text.predict_noise(noisy.repeat(2, 1, 1, 1), timesteps.repeat(2), both).chunk(2)

    def encode(self) -> None:
        self.view.encode_images(self.novel).sum().backward()

    def unet(self) -> None:
        self.view.predict_noise(self.noise, self.t, self.condition, self.pose)

    def text_unet(self, samples: int) -> None:
        self.text.predict_noise(self.noise.repeat(samples, 1, 1, 1), self.t.repeat(samples), self.empty)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(NANO / "zero123", NANO / "stable-diffusion")


@pytest.mark.benchmark(group="encode one 64x64 image, with gradient")
def test_encode(benchmark: BenchmarkFixture, problem: Problem) -> None:
    benchmark.pedantic(problem.encode, rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="one evaluation of the view-conditioned UNet")
def test_unet(benchmark: BenchmarkFixture, problem: Problem) -> None:
    benchmark.pedantic(problem.unet, rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="one call of the text-conditioned UNet, by samples")
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_text_unet(benchmark: BenchmarkFixture, problem: Problem, samples: int) -> None:
    benchmark.pedantic(problem.text_unet, args=(samples,), rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="UNets of one step: four evaluations, or the official eight")
@pytest.mark.parametrize("way", ["usd_evaluations", "official_evaluations"])
def test_evaluations(benchmark: BenchmarkFixture, problem: Problem, way: str) -> None:
    benchmark.pedantic(getattr(problem, way), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="guidance of one step, autoencoder with gradient included")
@pytest.mark.parametrize("way", ["usd", "official"])
def test_guidance(benchmark: BenchmarkFixture, problem: Problem, way: str) -> None:
    benchmark.pedantic(getattr(problem, way), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("enlarged", [1, 2])
def test_both_ways_give_the_same_gradients(enlarged: int) -> None:
    problem = Problem(NANO / "zero123", NANO / "stable-diffusion", enlarged)
    for ours, theirs in zip(problem.usd(), problem.official(), strict=True):
        assert ours.abs().max() > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 * float(ours.abs().max()))


def test_usd_is_nearly_twice_as_fast(problem: Problem, request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    speedup = ratio(problem.usd_evaluations, problem.official_evaluations)
    note("UNets of a usd step against the official code's eight evaluations", speedup, GOAL)
    whole = ratio(problem.usd, problem.official)
    note("guidance of a usd step, autoencoder included, against the official code's", whole, GOAL_WHOLE)
    two_sizes = Problem(NANO / "zero123", NANO / "stable-diffusion", enlarged=2)
    at_two_sizes = ratio(two_sizes.usd_evaluations, two_sizes.official_evaluations)
    note("UNets of a usd step, the input view at twice the size", at_two_sizes, GOAL_AT_TWO_SIZES)


@pytest.mark.skipif(FULL_SIZE is None, reason="minutes and 16 GB: `make smoke-full` runs it")
@pytest.mark.timeout(3600)
def test_usd_is_nearly_twice_as_fast_at_full_size(request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    folder = Path(str(FULL_SIZE))
    full = Problem(folder / "zero123-xl", folder / "stable-diffusion-2-1-base")
    speedup = ratio(full.usd_evaluations, full.official_evaluations, pairs=3)
    note("UNets of a usd step at full size against the official code's eight evaluations", speedup, GOAL)
