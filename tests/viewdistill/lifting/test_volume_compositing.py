"""Rays through a volume: what is known in advance, and that the CPU's kernels do what plain torch does."""

import math
from collections.abc import Callable

import pytest
import torch

from viewdistill.cameras import look_at, rays
from viewdistill.lifting.volume_compositing import (
    DENSITY_BIAS,
    DENSITY_SCALE,
    composite_in_torch,
    composite_volume,
)

Composite = Callable[..., torch.Tensor]

RADIUS, STEPS = 0.6, 24

ON_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
BACK_ENDS = [
    pytest.param(composite_volume, "cpu", id="cpu kernels"),
    pytest.param(composite_in_torch, "cpu", id="torch"),
    pytest.param(composite_volume, "cuda", id="cuda", marks=ON_GPU),
]


def cameras(size: int, *views: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rays of several cameras that look at the origin, [1, rays, 3] each."""
    azimuth, elevation, distance = torch.tensor(views).T
    origins, directions = rays(look_at(azimuth, elevation, distance), 49.1, size, size)
    return origins.reshape(1, -1, 3), directions.reshape(1, -1, 3)


@pytest.mark.parametrize(("composite", "device"), BACK_ENDS)
def test_a_uniform_volume_absorbs_along_the_chord_of_the_ball(composite: Composite, device: str) -> None:
    volume = torch.zeros(1, 8, 8, 8, 3, device=device)
    volume[..., 1], volume[..., 2] = 2.0, -1.0
    origins = torch.tensor([[[1.5, 0.0, 0.0], [1.5, 0.3, 0.0], [1.5, 0.0, 0.61]]], device=device)
    directions = torch.tensor([-1.0, 0.0, 0.0], device=device).expand_as(origins)
    out = composite(volume, origins, directions, 0.5, STEPS)[0].cpu()
    density = math.log1p(math.exp(DENSITY_BIAS)) * DENSITY_SCALE
    # The outermost half cell has less of everything: zeros outside the volume. Hence rays of the inner half only.
    for ray, half_chord in ((0, 0.5), (1, 0.4)):
        opacity = 1 - math.exp(-density * 2 * half_chord)
        assert float(out[ray, 2]) == pytest.approx(opacity, abs=1e-5)
        assert float(out[ray, 0]) == pytest.approx(2 * float(out[ray, 2]), rel=0.1)
        assert float(out[ray, 1] / out[ray, 0]) == pytest.approx(-0.5, rel=1e-4)
    # It dims with depth: the mean depth is before the ball's centre, and behind where the ray enters.
    assert 1.0 < float(out[0, 3] / out[0, 2]) < 1.5
    assert out[2].tolist() == [0, 0, 0, 0]  # misses the ball


@pytest.mark.parametrize(("composite", "device"), BACK_ENDS[::2])
@pytest.mark.parametrize(("batch", "n", "channels"), [(1, 5, 1), (1, 16, 9), (3, 8, 25)])
def test_values_and_gradients_are_those_of_plain_torch(
    composite: Composite, device: str, batch: int, n: int, channels: int
) -> None:
    torch.manual_seed(0)
    volume = torch.randn(batch, n, n, n, channels)
    # The nearest camera stands inside the volume, and half of its rays leave it at once.
    origins, directions = cameras(9, (10, 20, 1.5), (200, -40, 1.5), (90, 80, 0.5))
    origins, directions = origins.expand(batch, -1, -1), directions.expand(batch, -1, -1)
    gradient = torch.randn(batch, origins.shape[1], channels + 1)
    found, expected = (volume.clone().requires_grad_() for _ in range(2))
    out = composite(found.to(device), origins.to(device), directions.to(device), RADIUS, STEPS)
    out.backward(gradient.to(device))
    oracle = composite_in_torch(expected, origins, directions, RADIUS, STEPS)
    oracle.backward(gradient)
    torch.testing.assert_close(out.cpu(), oracle, atol=2e-5, rtol=1e-4)
    assert found.grad is not None
    torch.testing.assert_close(found.grad, expected.grad, atol=1e-4, rtol=1e-3)


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    torch.manual_seed(0)
    volume = torch.randn(2, 8, 8, 8, 5)
    origins, directions = cameras(7, (10, 20, 1.5))
    origins, directions = origins.expand(2, -1, -1), directions.expand(2, -1, -1)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            leaf = volume.clone().requires_grad_()
            out = composite_volume(leaf, origins, directions, RADIUS, STEPS)
            out.square().sum().backward()
            results.append((out.detach(), leaf.grad))
    finally:
        torch.set_num_threads(before)
    for out, gradient in results[1:]:
        assert torch.equal(out, results[0][0])
        assert torch.equal(gradient, results[0][1])
