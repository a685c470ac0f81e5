from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.family import METHODS, ScoreDistillation
from viewdistill.guidance.gradient import ScoreGradient, score_loss
from viewdistill.guidance.predictions import Predictions, Query
from viewdistill.guidance.predictors import Predictors
from viewdistill.guidance.reference import reference_gradient, reference_query, reference_score_gradient

TextBuilder = Callable[..., TextConditionedPrior]
ViewBuilder = Callable[..., ViewConditionedPrior]


class Scene:
    """Two random priors, renders, and every prediction that a method could compare, made one at a time."""

    def __init__(self, text: TextConditionedPrior, view: ViewConditionedPrior) -> None:
        generator = torch.Generator().manual_seed(0)
        self.latents, self.noise = torch.randn(2, 2, 4, 8, 8, generator=generator)
        self.timesteps = torch.tensor([120, 640])
        self.pose = torch.randn(2, 4, generator=generator)
        self.text, self.view = text, view
        self.image = torch.rand(1, 3, 32, 32, generator=generator)
        self.condition = view.condition(self.image)
        self.caption, self.negative = text.encode_text(["a"]), text.encode_text(["b"])
        alpha_bar = text.schedule.alphas_cumprod[self.timesteps].view(2, 1, 1, 1)
        self.alpha_bar = alpha_bar
        self.noisy = alpha_bar.sqrt() * self.latents + (1 - alpha_bar).sqrt() * self.noise
        self.z_conditional = view.predict_noise(self.noisy, self.timesteps, self.condition, self.pose)
        self.z_empty = view.predict_noise_unconditional(self.noisy, self.timesteps)
        self.s_conditional = text.predict_noise(self.noisy, self.timesteps, self.caption)
        self.s_negative = text.predict_noise(self.noisy, self.timesteps, self.negative)
        self.s_empty = text.predict_noise(self.noisy, self.timesteps, text.encode_text([""]))
        self.view_rows, self.text_rows = count_rows(view.unet), count_rows(text.unet)

        self.predictors = Predictors(view, text, image=self.image, text="a", negative_text="b")

    def query(self, method: ScoreDistillation) -> Query:
        schedule = self.view.schedule
        return Query(self.latents, self.timesteps, self.noise, schedule, method.branches, self.pose)

    def predict(self, method: ScoreDistillation) -> Predictions:
        return self.predictors.predict({"novel": self.query(method)})["novel"]

    def gradient(self, method: ScoreDistillation) -> Tensor:
        return method.combine(self.predict(method))


def count_rows(unet: nn.Module) -> list[int]:
    """Batch sizes of a UNet's evaluations from now on, one entry a call."""
    rows: list[int] = []
    unet.register_forward_hook(lambda _module, inputs, _output: rows.append(len(inputs[0])))
    return rows


@pytest.fixture
def scene(text_prior: TextBuilder, view_prior: ViewBuilder) -> Scene:
    return Scene(text_prior(), view_prior(prediction_type="v_prediction"))


def expected(scene: Scene, name: str) -> Tensor:
    """The formulas of the methods, each written out as its paper has it."""
    w = 1 - scene.alpha_bar
    noise, s = scene.noise, METHODS[name].guidance_scale
    match name:
        case "sds":
            return w * (scene.z_empty + s * (scene.z_conditional - scene.z_empty) - noise)
        case "usd":
            return w * s * (scene.z_conditional - scene.s_empty)
        case "sds-rectified":
            return w * (scene.s_empty + s * (scene.z_conditional - scene.s_empty) - noise)
        case "csd":
            return w * s * (scene.z_conditional - scene.z_empty)
        case "text-sds" | "hifa":
            return w * (scene.s_empty + s * (scene.s_conditional - scene.s_empty) - noise)
        case "text-csd":
            return w * s * (scene.s_conditional - scene.s_empty)
        case "nfsd":  # t is 120 for the first sample and 640 for the second
            domain = torch.stack([scene.s_empty[0], scene.s_empty[1] - scene.s_negative[1]])
            return w * (domain + s * (scene.s_conditional - scene.s_empty))
    raise AssertionError(name)


@pytest.mark.parametrize("name", METHODS)
def test_named_methods_are_their_formulas(scene: Scene, name: str) -> None:
    torch.testing.assert_close(scene.gradient(METHODS[name]), expected(scene, name), atol=1e-4, rtol=1e-4)


def test_named_methods_differ(scene: Scene) -> None:
    gradients = [scene.gradient(replace(method, guidance_scale=3.0)) for method in METHODS.values()]
    for i, first in enumerate(gradients[:-1]):  # hifa is text-sds on latents
        for second in gradients[i + 1 : -1]:
            assert (first - second).abs().max() > 1e-3


def test_family_by_hand_for_any_weights(scene: Scene) -> None:
    method = ScoreDistillation("view", "text", noise_weight=0.3, guidance_scale=2.0, weighting="uniform")
    by_hand = 0.3 * (scene.s_empty - scene.noise) + 2.0 * (scene.z_conditional - scene.s_empty)
    torch.testing.assert_close(scene.gradient(method), by_hand, atol=1e-5, rtol=1e-4)


# Batch rows of each evaluation: view-conditioned UNet, text-conditioned UNet. The batch has 2 samples.
@pytest.mark.parametrize(
    ("name", "view_rows", "text_rows"),
    [
        ("usd", [2], [2]),  # one conditional Zero-1-to-3, one unconditional SD, never Zero-1-to-3's own ∅
        ("sds-rectified", [2], [2]),
        ("sds", [4], []),
        ("csd", [4], []),
        ("text-sds", [], [4]),
        ("text-csd", [], [4]),
        ("hifa", [], [4]),
        ("nfsd", [], [5]),  # the negative text only where t ≥ 200
    ],
)
def test_only_what_a_method_needs_is_evaluated(
    scene: Scene, name: str, view_rows: list[int], text_rows: list[int]
) -> None:
    scene.gradient(METHODS[name])
    assert scene.view_rows == view_rows
    assert scene.text_rows == text_rows


@pytest.mark.parametrize(("name", "size", "text_rows"), [("usd", 8, [4]), ("usd", 16, [2, 2]), ("csd", 8, [2])])
def test_the_reference_view_is_scored_in_the_same_evaluation_where_sizes_agree(
    scene: Scene, name: str, size: int, text_rows: list[int]
) -> None:
    rendered, reference, noise = torch.randn(3, 1, 4, size, size)
    t, method, without = torch.tensor([410]), METHODS[name], scene.gradient(METHODS[name])
    alone = reference_score_gradient(scene.text, rendered, reference, t, noise)
    scene.text_rows.clear()
    pair = reference_query(rendered, reference, t, noise, scene.text.schedule)
    answers = scene.predictors.predict({"novel": scene.query(method), "reference": pair})
    assert scene.text_rows == text_rows
    torch.testing.assert_close(reference_gradient(answers["reference"]), alone.g, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(method.combine(answers["novel"]), without, atol=1e-5, rtol=1e-4)


def test_usd_evaluates_the_conditional_branch(scene: Scene) -> None:
    contexts: list[Tensor] = []
    scene.view.unet.register_forward_pre_hook(lambda _module, inputs: contexts.append(inputs[2]))
    scene.gradient(METHODS["usd"])
    assert len(contexts) == 1
    assert contexts[0].abs().sum(-1).min() > 0  # no token is the zero of the unconditional branch


def test_predictions_that_cancel_are_not_made(scene: Scene) -> None:
    one = replace(METHODS["sds"], guidance_scale=1.0)  # g = w (ε_c − ε)
    by_hand = (1 - scene.alpha_bar) * (scene.z_conditional - scene.noise)
    torch.testing.assert_close(scene.gradient(one), by_hand, atol=1e-5, rtol=1e-4)
    assert scene.view_rows == [2]
    zero = replace(METHODS["sds"], guidance_scale=0.0)  # g = w (ε_u − ε)
    by_hand = (1 - scene.alpha_bar) * (scene.z_empty - scene.noise)
    torch.testing.assert_close(scene.gradient(zero), by_hand, atol=1e-5, rtol=1e-4)
    assert scene.view_rows == [2, 2]
    assert scene.text_rows == []


def test_one_evaluation_serves_several_methods(scene: Scene) -> None:
    sds = METHODS["sds"]
    predictions = scene.predict(sds)
    torch.testing.assert_close(METHODS["csd"].combine(predictions), expected(scene, "csd"), atol=1e-4, rtol=1e-4)
    assert scene.view_rows == [4]
    only_conditional = scene.predict(replace(sds, guidance_scale=1.0))
    with pytest.raises(ValueError, match=r"condition='empty'.*was not predicted"):
        sds.combine(only_conditional)


def test_what_is_missing_is_named(scene: Scene) -> None:
    usd, text_csd = scene.query(METHODS["usd"]), scene.query(METHODS["text-csd"])
    for predictors, query, missing in (
        (Predictors(scene.view, image=scene.image), usd, "needs a text-conditioned prior"),
        (Predictors(None, scene.text), usd, "needs a view-conditioned prior"),
        (Predictors(scene.view, scene.text), usd, "needs the condition of an input image"),
        (scene.predictors, replace(usd, relative_pose=None), "needs relative poses"),
        (Predictors(text_prior=scene.text), text_csd, "needs a text for its branch 'text'"),
        (scene.predictors, scene.query(replace(METHODS["usd"], guidance_scale=0.0)), "no branches"),
    ):
        with pytest.raises(ViewDistillError, match=missing):
            predictors.predict({"novel": query})
    with pytest.raises(ViewDistillError, match="needs a prior"):
        Predictors().encode(scene.image)
    assert Predictors().predict({}) == {}


def test_priors_with_other_noise_levels_are_refused(scene: Scene) -> None:
    scene.text.schedule = NoiseSchedule(beta_end=0.02)
    with pytest.raises(ViewDistillError, match="different noise levels"):
        scene.gradient(METHODS["usd"])
    scene.gradient(METHODS["sds"])  # uses one prior alone


def test_image_gradient_by_hand(scene: Scene) -> None:
    hifa = replace(METHODS["hifa"], guidance_scale=2.0)
    predictions = scene.predict(hifa)
    guided = 2 * scene.s_conditional - scene.s_empty
    clean = (scene.noisy - (1 - scene.alpha_bar).sqrt() * guided) / scene.alpha_bar.sqrt()
    images = torch.rand(2, 3, 32, 32)
    residual = images - scene.text.decode_latents(clean)
    by_hand = 0.01 * (1 - scene.alpha_bar) * scene.alpha_bar.sqrt() / (1 - scene.alpha_bar).sqrt() * residual
    found = hifa.image_gradient(predictions, images, scene.text.decode_latents)
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=1e-3)
    assert METHODS["text-sds"].image_gradient(predictions, images, scene.text.decode_latents) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["sds", "usd"])
def test_half_precision_weights_give_nearly_the_gradient_of_full(scene: Scene, name: str, dtype: torch.dtype) -> None:
    def image_gradient(view: ViewConditionedPrior) -> Tensor:
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(5)).requires_grad_()
        latents = view.encode_images(images)
        query = Query(latents.detach(), scene.timesteps, scene.noise, view.schedule, METHODS[name].branches, scene.pose)
        predictors = Predictors(view, scene.text, image=scene.image)
        g = ScoreGradient.of(METHODS[name].combine(predictors.predict({"": query})[""]))
        assert g.nonfinite == 0
        score_loss(latents, g.g).backward()
        assert images.grad is not None
        return images.grad

    full = image_gradient(scene.view)
    scene.text.to(dtype)
    half = image_gradient(scene.view.to(dtype))
    assert half.dtype == torch.float32
    assert (half - full).norm() < 0.05 * full.norm()
    assert not torch.equal(half, full)


def test_nonfinite_predictions_are_counted(scene: Scene) -> None:
    with torch.no_grad():
        bias = scene.view.unet.conv_out.bias
        assert bias is not None
        bias[2] = torch.nan
    predictions = scene.predict(METHODS["usd"])
    assert predictions.nonfinite_sources() == ["view"]
    result = ScoreGradient.of(METHODS["usd"].combine(predictions))
    assert float(result.nonfinite_share) == 0.25
    assert result.nonfinite == 2 * 8 * 8
    assert result.g[:, 2].abs().max() == 0
    assert result.g[:, [0, 1, 3]].abs().min(0).values.max() > 0
    assert result.g.isfinite().all()
