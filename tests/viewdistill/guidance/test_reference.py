from collections.abc import Callable

import torch

from viewdistill.diffusion.priors import TextConditionedPrior
from viewdistill.guidance.gradient import score_loss
from viewdistill.guidance.reference import reference_loss, reference_score_gradient

TextBuilder = Callable[..., TextConditionedPrior]


def test_zero_for_identical_latents(text_prior: TextBuilder) -> None:
    prior, noise = text_prior(), torch.randn(2, 4, 8, 8)
    latents = prior.encode_images(torch.rand(1, 3, 32, 32))
    result = reference_score_gradient(prior, latents.expand(2, -1, -1, -1), latents, torch.tensor([30, 900]), noise)
    assert result.norm < 1e-5
    assert result.nonfinite == 0


def test_formula_in_one_evaluation(text_prior: TextBuilder) -> None:
    prior = text_prior(prediction_type="v_prediction")
    latents, noise = torch.randn(2, 2, 4, 8, 8)
    reference, t = torch.randn(1, 4, 8, 8), torch.tensor([30, 900])
    alpha_bar = prior.schedule.alphas_cumprod[t].view(2, 1, 1, 1)
    empty = prior.encode_text([""])
    rendered = prior.predict_noise(alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise, t, empty)
    target = prior.predict_noise(alpha_bar.sqrt() * reference + (1 - alpha_bar).sqrt() * noise, t, empty)
    rows: list[int] = []
    prior.unet.register_forward_hook(lambda _module, inputs, _output: rows.append(len(inputs[0])))
    result = reference_score_gradient(prior, latents, reference, t, noise)
    torch.testing.assert_close(result.g, (1 - alpha_bar) * (rendered - target), atol=1e-5, rtol=1e-4)
    assert rows == [4]
    uniform = reference_score_gradient(prior, latents, reference, t, noise, "uniform")
    torch.testing.assert_close(uniform.g, rendered - target, atol=1e-5, rtol=1e-4)


def test_it_reaches_the_render(text_prior: TextBuilder) -> None:
    prior = text_prior()
    render = torch.rand(1, 3, 32, 32, requires_grad=True)
    latents = prior.encode_images(render)
    reference = prior.encode_image_moments(torch.rand(1, 3, 32, 32)).mean
    result = reference_score_gradient(prior, latents, reference, torch.tensor([400]), torch.randn(1, 4, 8, 8))
    score_loss(latents, result.g).backward()
    assert render.grad is not None
    assert render.grad.abs().sum() > 0


def test_a_weight_means_the_same_for_latents_of_every_size() -> None:
    small, paper = torch.zeros(1, 4, 16, 16), torch.zeros(1, 4, 64, 64)
    losses = [reference_loss(latents, torch.full_like(latents, 0.3)) for latents in (small, paper)]
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(losses[1], score_loss(paper, torch.full_like(paper, 0.3)))
    two = torch.zeros(2, 4, 16, 16)
    torch.testing.assert_close(reference_loss(two, torch.full_like(two, 0.3)), losses[0])
