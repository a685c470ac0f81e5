import pytest
import torch

from viewdistill.diffusion.schedule import NoiseSchedule
from viewdistill.guidance.gradient import ScoreGradient, gradient_cosine, score_loss, weight


def test_loss_has_the_gradient_it_is_given() -> None:
    latents = torch.randn(3, 4, 2, 2, requires_grad=True)
    g = torch.randn(3, 4, 2, 2)
    loss = score_loss(latents, g)
    loss.backward()
    assert latents.grad is not None
    torch.testing.assert_close(latents.grad, g / 3, atol=1e-6, rtol=1e-5)
    assert loss.item() == pytest.approx(0.5 * g.square().sum().item() / 3, rel=1e-4)


def test_loss_does_not_differentiate_the_gradient() -> None:
    latents = torch.randn(1, 4, 2, 2, requires_grad=True)
    g = latents * 3
    score_loss(latents, g).backward()
    assert latents.grad is not None
    torch.testing.assert_close(latents.grad, g.detach(), atol=1e-6, rtol=1e-5)


def test_weights_by_hand() -> None:
    schedule, t = NoiseSchedule(), torch.tensor([100, 900])
    alpha_bar = schedule.alphas_cumprod[t].view(2, 1, 1, 1)
    torch.testing.assert_close(weight(schedule, t, "sds"), 1 - alpha_bar)
    torch.testing.assert_close(weight(schedule, t, "uniform"), torch.ones(2, 1, 1, 1))
    torch.testing.assert_close(weight(schedule, t, "fantasia3d"), alpha_bar.sqrt() * (1 - alpha_bar))


def test_nonfinite_entries_are_counted_and_left_out() -> None:
    g = torch.zeros(2, 1, 2, 2)
    g[0, 0, 0] = torch.tensor([3.0, 4.0])
    g[1, 0] = torch.tensor([[torch.nan, torch.inf], [-torch.inf, 2.0]])
    result = ScoreGradient.of(g)
    assert result.nonfinite == 3
    assert result.g[1, 0].tolist() == [[0, 0], [0, 2]]
    assert result.norm == pytest.approx((5 + 2) / 2)


def test_cosine_by_hand() -> None:
    a = torch.tensor([[1.0, 0.0], [2.0, 0.0]]).view(2, 1, 1, 2)
    b = torch.tensor([[3.0, 0.0], [1.0, 1.0]]).view(2, 1, 1, 2)
    assert gradient_cosine(a, b) == pytest.approx((1 + 0.5**0.5) / 2)
    assert gradient_cosine(a, -a) == pytest.approx(-1)
