"""The classifier against its definition, and on a text for which it must be right."""

import pytest
import torch

from viewdistill.diffusion.classifier import classify


def test_errors_are_those_of_the_definition_on_shared_draws(text_prior):
    prior = text_prior()
    image, texts = torch.rand(1, 3, 32, 32), ["a mug", "a hat", "a car"]
    found = classify(prior, image, texts, draws=2, timesteps=(300, 700), seed=3)
    latents, generator = prior.encode_images(image), torch.Generator().manual_seed(3)
    table = []
    for t in (300, 300, 700, 700):
        noise = torch.randn(latents.shape, generator=generator)
        noisy = prior.schedule.add_noise(latents, noise, torch.tensor([t]))
        errors = [prior.predict_noise(noisy, torch.tensor([t]), prior.encode_text([text])) - noise for text in texts]
        table.append(torch.stack(errors).square().flatten(1).mean(1))
    table = torch.stack(table)
    torch.testing.assert_close(found.errors, table.mean(0), atol=1e-6, rtol=1e-5)
    first, second = table.mean(0).argsort()[:2]
    advantage = (table[:, second] - table[:, first]).double()
    assert found.best == int(first)
    assert found.margin == pytest.approx(float(advantage.mean() / (advantage.std() / 2)), rel=0.02)
    assert found.texts == tuple(texts)


def test_a_text_that_says_the_same_leaves_no_margin(text_prior):
    found = classify(text_prior(), torch.rand(1, 3, 32, 32), ["a mug", "a mug"], draws=2)
    assert found.margin == 0


def test_too_little_to_compare_is_refused(text_prior):
    for texts, draws in ((["a mug"], 4), (["a mug", "a hat"], 0)):
        with pytest.raises(ValueError, match="at least two texts"):
            classify(text_prior(), torch.rand(1, 3, 32, 32), texts, draws)
