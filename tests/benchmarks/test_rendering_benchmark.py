"""One training step's rendering: a 64x64 view of the untrained ball, about 17 samples a ray before culling."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from viewdistill.cameras import look_at
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.rendering.volume_renderer import VolumeRenderer

pytestmark = pytest.mark.benchmark(group="render 64x64 with gradients, 8 levels, 2^15 entries")


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_render_and_backward(benchmark: BenchmarkFixture, precision: str):
    torch.manual_seed(0)
    field = DensityField(HashGridConfig(8, 2, 15), precision=precision)  # pyright: ignore[reportArgumentType]
    renderer = VolumeRenderer(field, n_samples_per_ray=128)
    renderer.update_occupancy(0)
    c2w = look_at(*torch.tensor([[30.0], [20.0], [1.5]]))

    def render_and_backward() -> None:
        renderer.zero_grad()
        renderer.render_views(c2w, 49.134, 64, 64, torch.ones(3)).rgb.square().mean().backward()

    benchmark.pedantic(render_and_backward, rounds=10, warmup_rounds=2)
    assert field.grid.params.grad is not None
    assert field.grid.params.grad.abs().sum() > 0
