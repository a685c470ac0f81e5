import math

import pytest
import torch
from torch import Tensor, nn

from viewdistill.cameras import look_at
from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.rendering.volume_renderer import VolumeRenderer

WHITE = torch.ones(3)
RED = torch.tensor([0.9, 0.1, 0.2])


class Ball(nn.Module):
    """A ball of constant density and colour around the origin."""

    def __init__(self, ball_radius: float, value: float):
        super().__init__()
        self.radius = 1.0
        self.ball_radius = ball_radius
        self.value = nn.Parameter(torch.tensor(value))

    def encode(self, points: Tensor) -> Tensor:
        return points.norm(dim=-1, keepdim=True)

    def density(self, points: Tensor, known: Tensor | None = None) -> Tensor:
        distance = self.encode(points) if known is None else known
        return self.value * (distance[:, 0] < self.ball_radius)

    def query(self, points: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.density(points, known), RED.expand(len(points), 3)


def ball_renderer(ball_radius: float, value: float, **settings: float) -> VolumeRenderer:
    renderer = VolumeRenderer(Ball(ball_radius, value), n_samples_per_ray=1024, **settings)  # pyright: ignore[reportArgumentType]
    for step in range(0, 256, 16):  # an update draws one point a cell: one alone would miss cells on the surface
        renderer.update_occupancy(step)
    return renderer.eval()


def field_renderer() -> VolumeRenderer:
    torch.manual_seed(0)
    field = DensityField(HashGridConfig(4, 2, 10, 4, 1.5))
    renderer = VolumeRenderer(field, occupancy_resolution=16, n_samples_per_ray=64)
    renderer.update_occupancy(0)
    return renderer


def parallel_rays(*offsets: float) -> tuple[Tensor, Tensor]:
    origins = torch.tensor([[1.5, offset, 0.0] for offset in offsets])
    return origins, torch.tensor([[-1.0, 0.0, 0.0]]).expand(len(offsets), 3)


def test_opacity_of_a_ball_is_beers_law_of_its_chord():
    renderer = ball_renderer(0.4, 3.0)
    offsets = (0.0, 0.2, 0.35, 0.5)
    output = renderer.render(*parallel_rays(*offsets), WHITE)
    chords = [2 * math.sqrt(max(0.16 - b * b, 0)) for b in offsets]
    expected = torch.tensor([1 - math.exp(-3 * chord) for chord in chords])
    # half a step may be lost or won at either end of the chord
    torch.testing.assert_close(output.opacity, expected, atol=3 * renderer.step_size, rtol=0)
    torch.testing.assert_close(output.rgb, expected[:, None] * RED + (1 - expected[:, None]), atol=0.01, rtol=0)
    assert output.rgb[3].tolist() == [1, 1, 1]


def test_depth_of_an_opaque_ball_is_its_surface():
    output = ball_renderer(0.4, 1000.0).render(*parallel_rays(0.0, 0.5), WHITE)
    assert output.depth[0].item() == pytest.approx(1.1, abs=0.005)
    assert output.depth[1] == 0
    assert output.z_variance[0] < 1e-4


def test_z_variance_is_the_variance_of_the_weights():
    output = ball_renderer(0.4, 5.0, early_stop=0.0).render(*parallel_rays(0.0), WHITE)
    w, t = output.weights / output.weights.sum(), output.samples.t_mid
    expected = (w * (t - (w * t).sum()) ** 2).sum()
    torch.testing.assert_close(output.z_variance[0], expected)
    faint = ball_renderer(0.4, 0.5).render(*parallel_rays(0.0), WHITE)
    assert faint.opacity[0] < 0.5
    assert faint.z_variance[0] == 0


def test_culling_changes_the_picture_little_and_the_count_much():
    origins, directions = parallel_rays(0.0, 0.2, 0.35)
    every = ball_renderer(0.4, 100.0, early_stop=0.0).render(origins, directions, WHITE)
    fewer = ball_renderer(0.4, 100.0, early_stop=1e-4).render(origins, directions, WHITE)
    torch.testing.assert_close(every.rgb, fewer.rgb, atol=2e-4, rtol=0)
    assert fewer.n_samples < every.n_samples / 3


def test_background_may_differ_by_ray():
    background = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    output = ball_renderer(0.4, 100.0).render(*parallel_rays(0.5, 0.6), background)
    assert torch.equal(output.rgb, background)


def test_gradients_reach_every_parameter():
    renderer = field_renderer()
    views = renderer.render_views(look_at(*torch.tensor([[30.0], [10.0], [1.5]])), 49.134, 12, 12, WHITE)
    (views.rgb.mean() + views.opacity.mean() + views.depth.mean()).backward()
    for name, parameter in renderer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_density_gradient_matches_beers_law():
    renderer = ball_renderer(0.4, 1.0)
    output = renderer.render(*parallel_rays(0.0), WHITE)
    length = (output.samples.t_ends - output.samples.t_starts).sum().item()
    output.opacity.sum().backward()
    grad = renderer.field.value.grad  # pyright: ignore[reportAttributeAccessIssue]
    assert grad.item() == pytest.approx(length * math.exp(-length), rel=1e-4)


def test_rays_without_samples_give_the_background_and_zero_gradients():
    renderer = field_renderer()
    origins, directions = parallel_rays(5.0, 6.0)
    output = renderer.render(origins, directions, WHITE)
    assert output.n_samples == 0
    assert torch.equal(output.rgb, torch.ones(2, 3))
    output.rgb.sum().backward()
    assert all(p.grad is not None and (p.grad == 0).all() for p in renderer.parameters())


def test_an_empty_occupancy_grid_renders_the_background():
    renderer = VolumeRenderer(Ball(0.4, 100.0))
    assert torch.equal(renderer.render(*parallel_rays(0.0), WHITE).rgb, torch.ones(1, 3))


def test_training_is_stratified_and_repeatable_and_evaluation_is_neither_random():
    renderer = field_renderer()
    rays = parallel_rays(0.0, 0.1)
    with torch.no_grad():
        a, b, c = (renderer.render(*rays, WHITE, torch.Generator().manual_seed(s)).rgb for s in (1, 1, 2))
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        renderer.eval()
        assert torch.equal(renderer.render(*rays, WHITE).rgb, renderer.render(*rays, WHITE).rgb)


@torch.no_grad()
def test_chunks_do_not_change_a_picture():
    renderer = field_renderer().eval()
    c2w = look_at(*torch.tensor([[0.0, 120.0], [0.0, 40.0], [1.5, 1.5]]))
    whole = renderer.render_views(c2w, 49.134, 12, 10, WHITE)
    renderer.chunk_size = 37
    chunked = renderer.render_views(c2w, 49.134, 12, 10, WHITE)
    assert whole.rgb.shape == (2, 3, 12, 10)
    assert whole.depth.shape == (2, 1, 12, 10)
    torch.testing.assert_close(whole.rgb, chunked.rgb, atol=1e-6, rtol=0)
    assert whole.samples_per_ray == chunked.samples_per_ray > 1


@torch.no_grad()
def test_a_view_shows_the_ball_in_the_middle_and_rows_from_the_top():
    class Lifted(Ball):
        def encode(self, points: Tensor) -> Tensor:
            return super().encode(points - torch.tensor([0.0, 0.0, 0.4]))

    renderer = VolumeRenderer(Lifted(0.2, 100.0), n_samples_per_ray=256)
    renderer.update_occupancy(0)
    opacity = renderer.eval().render_views(look_at(*torch.tensor([[0.0], [0.0], [1.5]])), 49.134, 32, 32, WHITE).opacity
    assert opacity[0, 0, :16].sum() > 10
    assert opacity[0, 0, 20:].sum() == 0


@torch.no_grad()
def test_a_checkpoint_restores_the_picture(tmp_path):
    renderer = field_renderer().eval()
    torch.save(renderer.state_dict(), tmp_path / "renderer.pt")
    other = VolumeRenderer(DensityField(HashGridConfig(4, 2, 10, 4, 1.5)), 16, 64).eval()
    rays = parallel_rays(0.0, 0.2)
    assert not torch.equal(other.render(*rays, WHITE).rgb, renderer.render(*rays, WHITE).rgb)
    other.load_state_dict(torch.load(tmp_path / "renderer.pt", weights_only=True))
    assert torch.equal(other.render(*rays, WHITE).rgb, renderer.render(*rays, WHITE).rgb)
