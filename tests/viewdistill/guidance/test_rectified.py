from collections.abc import Callable

import pytest
import torch

from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.samplers import Sampling, sample, view_noise_predictor
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.rectified import (
    NovelViewSampling,
    lifted_mean,
    rectified_noise_predictor,
    sample_novel_views,
)

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
    samples = [sample(predict, view.schedule, noisy, Sampling(steps=5)) for predict in (rectified, ordinary)]
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


def test_lifted_start_is_the_noised_mean_view(text_prior: TextBuilder, view_prior: ViewBuilder) -> None:
    text, view = text_prior(), view_prior(lifted=True)
    condition, pose, noise = view.condition(torch.rand(1, 3, 32, 32)), torch.randn(3, 4), torch.randn(3, 4, 8, 8)
    mean = lifted_mean(view, condition, pose)
    assert mean.shape == noise.shape
    seen: list[tuple[int, torch.Tensor]] = []

    class Watched(TextConditionedPrior):
        def predict_noise(self, noisy, timesteps, text_embeddings):  # type: ignore[no-untyped-def]
            seen.append((int(timesteps[0]), noisy))
            return super().predict_noise(noisy, timesteps, text_embeddings)

    text.__class__ = Watched
    sampling = NovelViewSampling(guidance_scale=2.0, start="lifted_mean", start_timestep=300, steps=10)
    views = sample_novel_views(view, text, condition, pose, noise, sampling)
    assert views.shape == (3, 3, 32, 32)
    assert [t for t, _ in seen] == [300, 201, 101, 1]
    expected = view.schedule.add_noise(mean, noise, torch.full((3,), 300))
    torch.testing.assert_close(seen[0][1], expected)


def test_start_at_little_noise_stays_at_the_mean_view(text_prior: TextBuilder, view_prior: ViewBuilder) -> None:
    text, view = text_prior(), view_prior(lifted=True)
    condition, pose, noise = view.condition(torch.rand(1, 3, 32, 32)), torch.randn(3, 4), torch.randn(3, 4, 8, 8)
    mean = view.decode_latents(lifted_mean(view, condition, pose))

    def distance(timestep: int) -> float:
        sampling = NovelViewSampling(guidance_scale=1.0, start="lifted_mean", start_timestep=timestep, steps=10)
        return float((sample_novel_views(view, text, condition, pose, noise, sampling) - mean).square().mean())

    assert distance(20) < distance(200) < distance(800)


def test_shared_noise_is_the_same_for_all_views_and_keeps_its_variance(
    text_prior: TextBuilder, view_prior: ViewBuilder
) -> None:
    text, view = text_prior(), view_prior()
    condition, pose = view.condition(torch.rand(1, 3, 32, 32)), torch.randn(1, 4).expand(4, -1)
    noise, common = torch.randn(4, 4, 8, 8), torch.randn(1, 4, 8, 8)

    def views(shared: float) -> torch.Tensor:
        sampling = NovelViewSampling(guidance_scale=2.0, shared_noise=shared, steps=3)
        return sample_novel_views(view, text, condition, pose, noise, sampling, common)

    assert torch.equal(
        views(0.0),
        sample_novel_views(view, text, condition, pose, noise, NovelViewSampling(guidance_scale=2.0, steps=3)),
    )
    apart = [float(views(shared).var(0).mean()) for shared in (0.0, 0.5, 1.0)]
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] == pytest.approx(0, abs=1e-9)  # one camera and one noise: one view
    sampling = NovelViewSampling(guidance_scale=2.0, shared_noise=0.5, steps=3)
    with pytest.raises(ValueError, match="common_noise is missing"):
        sample_novel_views(view, text, condition, pose, noise, sampling)


def test_a_prior_without_a_lifting_says_so(text_prior: TextBuilder, view_prior: ViewBuilder) -> None:
    text, view = text_prior(), view_prior()
    sampling = NovelViewSampling(guidance_scale=2.0, start="lifted_mean", steps=3)
    condition = view.condition(torch.rand(1, 3, 32, 32))
    with pytest.raises(ViewDistillError, match=r"no lifting; set sampling\.start to noise"):
        sample_novel_views(view, text, condition, torch.randn(1, 4), torch.randn(1, 4, 8, 8), sampling)


@pytest.mark.parametrize("wrong", [{"start_timestep": 1000}, {"shared_noise": 1.5}, {"steps": 0}])
def test_impossible_settings_are_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(ViewDistillError, match=f"{next(iter(wrong))} is"):
        NovelViewSampling(guidance_scale=2.0, **wrong)  # pyright: ignore[reportArgumentType]
