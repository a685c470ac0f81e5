from collections.abc import Callable

import pytest
import torch

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.diffusion.refinement import RefinementSettings, refine
from viewdistill.errors import ViewDistillError

Builder = Callable[..., TextConditionedPrior]


def test_a_prior_that_knows_the_noise_gives_the_image_back(text_prior: Builder) -> None:
    prior = text_prior()
    images = torch.rand(2, 3, prior.image_size, prior.image_size)
    latents = prior.encode_images(images)

    class Knowing(TextConditionedPrior):
        """Predicts exactly the noise between its input and the images."""

        def predict_noise(self, noisy, timesteps, text_embeddings):  # type: ignore[no-untyped-def]
            alpha_bar = self.schedule.alpha_bar(timesteps)
            clean = latents.repeat(len(noisy) // len(latents), 1, 1, 1)
            return (noisy - alpha_bar.sqrt() * clean) / (1 - alpha_bar).sqrt()

    prior.__class__ = Knowing
    noise = torch.randn(latents.shape)
    refined = refine(prior, images, prior.encode_text(["a cat"]), noise, RefinementSettings(timestep=300, steps=10))
    # The schedule ends at ᾱ_0, where 3 % of the noise is left.
    expected = prior.schedule.add_noise(latents, noise, torch.zeros(2, dtype=torch.long))
    assert torch.allclose(refined, prior.decode_latents(expected), atol=1e-4)


def test_only_the_steps_below_the_start_are_taken(text_prior: Builder) -> None:
    prior = text_prior()
    seen: list[int] = []

    class Counting(TextConditionedPrior):
        def predict_noise(self, noisy, timesteps, text_embeddings):  # type: ignore[no-untyped-def]
            seen.append(int(timesteps[0]))
            return super().predict_noise(noisy, timesteps, text_embeddings)

    prior.__class__ = Counting
    images = torch.rand(1, 3, prior.image_size, prior.image_size)
    noise = torch.randn(1, *prior.latent_shape)
    refine(prior, images, prior.encode_text(["a cat"]), noise, RefinementSettings())
    assert seen == [200, 181, 161, 141, 121, 101, 81, 61, 41, 21, 1]  # facts: 50 steps, from about 200 down


@pytest.mark.parametrize(("wrong", "message"), [({"timestep": 1000}, "timestep is 1000"), ({"steps": 0}, "steps is 0")])
def test_impossible_settings_are_one_line(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ViewDistillError, match=message):
        RefinementSettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_any_solver_refines(text_prior: Builder) -> None:
    prior = text_prior()
    images = torch.rand(1, 3, prior.image_size, prior.image_size)
    noise, text = torch.randn(1, *prior.latent_shape), prior.encode_text(["a cat"])
    ddim = refine(prior, images, text, noise, RefinementSettings(steps=1000, timestep=100))
    few = RefinementSettings(scheduler="DPMSolverMultistepScheduler", steps=100, timestep=100)
    assert (refine(prior, images, text, noise, few) - ddim).abs().mean() < 0.02
