import math

import pytest
import torch
from torch import Tensor, nn

from viewdistill.cameras import look_at
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.fields.sdf_field import SDFField, SurfaceQuery
from viewdistill.rendering.marching import Samples
from viewdistill.rendering.neus import NeusRenderer, annealed_cosine, neus_alpha, transmittance_between

WHITE = torch.ones(3)
RED = torch.tensor([0.9, 0.1, 0.2])


class Sphere(nn.Module):
    """The exact distance to a red sphere around the origin."""

    def __init__(self, sphere_radius: float, inverse_std: float):
        super().__init__()
        self.radius = 1.0
        self.sphere_radius = nn.Parameter(torch.tensor(sphere_radius))
        self.log = nn.Parameter(torch.tensor(inverse_std).log())

    @property
    def inverse_std(self) -> Tensor:
        return self.log.exp()

    def encode(self, points: Tensor) -> Tensor:
        return points.norm(dim=-1, keepdim=True)

    def sdf(self, points: Tensor, known: Tensor | None = None) -> Tensor:
        return self.encode(points)[:, 0] - self.sphere_radius

    def query(self, points: Tensor, directions: Tensor, known: Tensor | None = None) -> SurfaceQuery:
        normals = nn.functional.normalize(points, dim=-1)
        return SurfaceQuery(self.sdf(points), normals, RED.expand(len(points), 3))


def sphere_renderer(inverse_std: float = 200.0, **settings: float) -> NeusRenderer:
    renderer = NeusRenderer(Sphere(0.4, inverse_std), n_samples_per_ray=256, **settings)  # pyright: ignore[reportArgumentType]
    for step in range(0, 128, 16):  # an update draws one point a cell
        renderer.update_occupancy(step)
    return renderer.eval()


def field_renderer() -> NeusRenderer:
    torch.manual_seed(0)
    renderer = NeusRenderer(SDFField(HashGridConfig(2, 2, 10, 4, 1.5)), 16, 64)
    renderer.update_occupancy(0)
    return renderer


def parallel_rays(*offsets: float) -> tuple[Tensor, Tensor]:
    origins = torch.tensor([[1.5, offset, 0.0] for offset in offsets])
    return origins, torch.tensor([[-1.0, 0.0, 0.0]]).expand(len(offsets), 3)


def test_the_cosine_is_annealed_from_half_to_relu():
    cosine = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    assert annealed_cosine(cosine, 0.0).tolist() == [-1, -0.5, -0.25, 0]
    assert annealed_cosine(cosine, 1.0).tolist() == [-1, 0, 0, 0]
    assert annealed_cosine(cosine, 0.5).tolist() == [-1, -0.25, -0.125, 0]


def test_alpha_by_hand():
    def phi(f: float) -> float:
        return 1 / (1 + math.exp(-10 * f))

    alpha = neus_alpha(torch.tensor([0.1]), torch.tensor([-0.5]), torch.tensor([0.2]), torch.tensor(10.0))
    near, far = phi(0.1 + 0.05), phi(0.1 - 0.05)
    assert alpha.item() == pytest.approx((near - far) / near, abs=1e-4)
    deep, outside = torch.tensor([-5.0]), torch.tensor([5.0])
    head_on, length, s = torch.tensor([-1.0]), torch.tensor([0.1]), torch.tensor(100.0)
    assert neus_alpha(deep, head_on, length, s).item() == 1
    assert neus_alpha(outside, head_on, length, s).item() == pytest.approx(1e-5, rel=1e-2)


def test_transmittance_between_is_the_ratio_of_logistics():
    sdf = torch.tensor([0.2, 0.1, -0.1, 0.3, 0.1])
    t = torch.arange(5.0)
    samples = Samples(torch.tensor([0, 0, 0, 2, 2]), t, t + 1, 3)
    phi = torch.sigmoid(10 * sdf)
    expected = torch.stack([torch.tensor(1.0), phi[1] / phi[0], phi[2] / phi[0], torch.tensor(1.0), phi[4] / phi[3]])
    torch.testing.assert_close(transmittance_between(sdf, samples, torch.tensor(10.0)), expected)
    leaving = transmittance_between(
        sdf.flip(0), Samples(torch.zeros(5, dtype=torch.long), t, t + 1, 1), torch.tensor(9.0)
    )
    assert leaving[1] == 1  # a ray that moves away from the surface loses no light


def test_a_sharp_sphere_is_opaque_within_its_rim_and_has_its_depth_and_normals():
    output = sphere_renderer().render(*parallel_rays(0.0, 0.2, 0.38, 0.42, 0.6), WHITE)
    assert output.opacity[:2].tolist() == pytest.approx([1, 1], abs=1e-3)
    assert output.opacity[2] > 0.9
    assert output.opacity[3] < 0.1
    assert output.opacity[4] == 0
    depths = [1.5 - math.sqrt(0.16 - b * b) for b in (0.0, 0.2)]
    assert output.depth[:2].tolist() == pytest.approx(depths, abs=0.01)
    torch.testing.assert_close(output.normals[0], torch.tensor([1.0, 0.0, 0.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(output.rgb[0], RED, atol=1e-3, rtol=0)
    assert output.rgb[4].tolist() == [1, 1, 1]


def test_half_of_the_light_is_absorbed_before_the_surface():
    # NeuS is unbiased: along a head-on ray T = Φ(f), which is 1/2 at the surface, in steps of any length
    for n_samples in (64, 1024):
        renderer = NeusRenderer(Sphere(0.4, 50.0), n_samples_per_ray=n_samples, alpha_threshold=0.0)
        renderer.update_occupancy(0)
        output = renderer.eval().render(*parallel_rays(0.0), WHITE)
        before = (output.samples.t_ends <= 1.1).float()
        last = (output.samples.t_ends[before > 0].amax() - 1.1) * 50
        assert (output.weights * before).sum().item() == pytest.approx(1 - torch.sigmoid(-last).item(), abs=0.01)


@torch.no_grad()
def test_culling_changes_the_picture_little_and_the_count_much():
    rays = parallel_rays(0.0, 0.2, 0.35, 0.41)
    every = sphere_renderer(200.0, alpha_threshold=0.0, early_stop=0.0).render(*rays, WHITE)
    fewer = sphere_renderer(200.0).render(*rays, WHITE)
    torch.testing.assert_close(every.rgb, fewer.rgb, atol=0.01, rtol=0)
    assert fewer.n_samples < every.n_samples / 2


def test_occupied_is_the_inside_and_a_shell_around_it():
    occupancy = sphere_renderer(100.0).occupancy
    x = torch.tensor([0.0, 0.3, 0.4, 0.44, 0.7, 0.9])
    assert occupancy.occupied(x, x * 0, x * 0).tolist() == [True, True, True, True, False, False]


def test_gradients_reach_every_parameter():
    renderer = field_renderer()
    views = renderer.render_views(look_at(*torch.tensor([[30.0], [10.0], [1.5]])), 49.134, 12, 12, WHITE)
    (views.rgb.mean() + views.opacity.mean() + views.depth.mean()).backward()
    for name, parameter in renderer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_a_larger_sphere_covers_more():
    renderer = sphere_renderer(30.0)
    renderer.render(*parallel_rays(0.4), WHITE).opacity.sum().backward()
    gradient = renderer.field.sphere_radius.grad  # pyright: ignore[reportAttributeAccessIssue]
    assert gradient.item() > 1


def test_rays_without_samples_give_the_background_and_zero_gradients():
    renderer = field_renderer()
    output = renderer.render(*parallel_rays(5.0), WHITE)
    assert output.n_samples == 0
    assert torch.equal(output.rgb, torch.ones(1, 3))
    output.rgb.sum().backward()
    assert all(p.grad is None or (p.grad == 0).all() for p in renderer.parameters())
