from collections.abc import Callable

import pytest
import torch

from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import sample_ddim, view_noise_predictor
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.rectified import rectified_noise_predictor

TextBuilder = Callable[..., TextConditionedPrior]
ViewBuilder = Callable[..., ViewConditionedPrior]


def share_unconditional_branch(text: TextConditionedPrior, view: ViewConditionedPrior) -> None:
    """Give the text prior weights for which ε_S(∅) = ε_Z(∅).

    Its UNet becomes the view prior's without the input channels of the image latent, which are zero in that branch, and
    every text embedding becomes zero.
    """
    weights = view.unet.state_dict()
    weights["conv_in.weight"] = weights["conv_in.weight"][:, :4]
    text.unet.load_state_dict(weights)
    norm = text.text_encoder.final_layer_norm
    norm.weight.zero_()
    norm.bias.zero_()


def test_equals_ordinary_guidance_where_the_unconditional_branches_are_equal(
    text_prior: TextBuilder, view_prior: ViewBuilder
) -> None:
    text, view = text_prior(), view_prior()
    condition, pose = view.condition(torch.rand(1, 3, 32, 32)), torch.randn(2, 4)
    noisy, t = torch.randn(2, 4, 8, 8), torch.tensor([50, 800])
    ordinary = view_noise_predictor(view, condition, pose, 4.0)
    before = rectified_noise_predictor(view, text, condition, pose, 4.0)(noisy, t)
    assert (before - ordinary(noisy, t)).abs().max() > 1e-3
    share_unconditional_branch(text_fresh := text_prior(), view)
    rectified = rectified_noise_predictor(view, text_fresh, condition, pose, 4.0)
    torch.testing.assert_close(rectified(noisy, t), ordinary(noisy, t), atol=1e-4, rtol=1e-4)
    samples = [
        sample_ddim(predict, view.schedule, (2, 4, 8, 8), 5, generator=torch.Generator().manual_seed(1))
        for predict in (rectified, ordinary)
    ]
    torch.testing.assert_close(samples[0], samples[1], atol=1e-3, rtol=1e-3)


def test_formula_and_evaluations(text_prior: TextBuilder, view_prior: ViewBuilder) -> None:
    text, view = text_prior(), view_prior()
    condition, pose = view.condition(torch.rand(1, 3, 32, 32)), torch.randn(2, 4)
    noisy, t = torch.randn(2, 4, 8, 8), torch.tensor([50, 800])
    conditional = view.predict_noise(noisy, t, condition, pose)
    unconditional = text.predict_noise(noisy, t, text.encode_text([""]))
    rows: list[tuple[str, int]] = []
    view.unet.register_forward_hook(lambda _module, inputs, _output: rows.append(("view", len(inputs[0]))))
    text.unet.register_forward_hook(lambda _module, inputs, _output: rows.append(("text", len(inputs[0]))))
    guided = rectified_noise_predictor(view, text, condition, pose, 2.5)(noisy, t)
    torch.testing.assert_close(guided, 2.5 * conditional - 1.5 * unconditional, atol=1e-4, rtol=1e-4)
    assert rows == [("view", 2), ("text", 2)]
    alone = rectified_noise_predictor(view, text, condition, pose, 1.0)(noisy, t)
    torch.testing.assert_close(alone, conditional)
    assert rows[2:] == [("view", 2)]


def test_other_noise_levels_are_refused(text_prior: TextBuilder, view_prior: ViewBuilder) -> None:
    text, view = text_prior(), view_prior()
    text.schedule = NoiseSchedule(num_train_timesteps=500)
    with pytest.raises(ViewDistillError, match="different noise levels"):
        rectified_noise_predictor(view, text, view.condition(torch.rand(1, 3, 32, 32)), torch.randn(1, 4), 3.0)
