import math
from typing import Any

import pytest
import torch
from torch import Tensor

from viewdistill.fields.hash_grid import HashGrid, HashGridConfig
from viewdistill.fields.regularizers import eikonal
from viewdistill.fields.sdf_field import SDFField

GRID = HashGridConfig(3, 2, 10, 4, 1.5, "smoothstep")
DIRECTIONS = torch.nn.functional.normalize(torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 0.5]]), dim=-1)


def rough_field(**settings: object) -> SDFField:
    """A field whose table is far from its initial zeros."""
    torch.manual_seed(0)
    field = SDFField(GRID, hidden_width=16, **settings)  # pyright: ignore[reportArgumentType]
    field.grid.params.data.normal_(std=0.3)
    return field


def cloud(n: int = 40) -> Tensor:
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8


@pytest.mark.parametrize("gradients", ["analytic", "finite_difference"])
@torch.no_grad()
def test_an_untrained_field_is_a_sphere(gradients: str):
    field = SDFField(GRID, sphere_radius=0.5, hidden_width=8, gradients=gradients, epsilon=1e-2)  # pyright: ignore[reportArgumentType]
    points = torch.nn.functional.normalize(cloud(), dim=-1) * torch.linspace(0.2, 0.9, 40)[:, None]
    torch.testing.assert_close(field.sdf(points), torch.linspace(-0.3, 0.4, 40), atol=0.02, rtol=0)
    torch.testing.assert_close(field.normals(points), torch.nn.functional.normalize(points, dim=-1), atol=0.02, rtol=0)
    assert field.inverse_std.item() == pytest.approx(20)


def test_gradients_agree_with_central_differences():
    analytic, differences = (rough_field(gradients=g, epsilon=1e-3) for g in ("analytic", "finite_difference"))
    points = cloud()
    torch.testing.assert_close(analytic.gradient(points), differences.gradient(points), atol=0.02, rtol=0.02)
    torch.testing.assert_close(analytic.query(points, points).sdf, analytic.sdf(points))
    torch.testing.assert_close(differences.query(points, points).sdf, differences.sdf(points))


def test_the_eikonal_term_trains_every_weight_as_plain_differentiation_would():
    fast, slow = rough_field(), rough_field(backend="torch")
    points = cloud()
    eikonal(fast.gradient(points)).backward()
    leaf = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(slow.sdf(leaf).sum(), leaf, create_graph=True)
    torch.testing.assert_close(fast.gradient(points), gradient, atol=1e-5, rtol=1e-4)
    eikonal(gradient).backward()
    for (name, a), b in zip(fast.named_parameters(), slow.parameters(), strict=True):
        if name.startswith(("grid", "sdf_network")):
            assert a.grad is not None, name
            assert b.grad is not None, name
            assert a.grad.abs().sum() > 0, name
            torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_point_gradients_of_the_grid(backend: str):
    torch.manual_seed(0)
    grid = HashGrid(GRID, backend)  # pyright: ignore[reportArgumentType]
    grid.params.data.normal_()
    points, vectors = torch.rand(20, 3, requires_grad=True), torch.randn(20, grid.n_output_dims)
    (expected,) = torch.autograd.grad(grid(points), points, vectors)
    torch.testing.assert_close(grid.point_gradient(points.detach(), vectors), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_colour_depends_on_the_direction_only_where_it_may():
    points = cloud(2)
    matt, glossy = rough_field(), rough_field(view_dependent=True)
    assert torch.equal(matt.query(points, DIRECTIONS).rgb, matt.query(points, -DIRECTIONS).rgb)
    assert not torch.equal(glossy.query(points, DIRECTIONS).rgb, glossy.query(points, -DIRECTIONS).rgb)
    head_on = glossy.query(points, -glossy.normals(points)).rgb
    torch.testing.assert_close(glossy.color(points), head_on)
    assert ((head_on > 0) & (head_on < 1)).all()


@torch.no_grad()
def test_levels_that_are_not_active_count_for_nothing():
    field = rough_field()
    field.grid.active_levels = 1
    coarse = field.sdf(cloud())
    field.grid.params[field.grid.config.levels()[1].offset * 2 :] = 7.0
    assert torch.equal(field.sdf(cloud()), coarse)
    field.grid.active_levels = 3
    assert not torch.equal(field.sdf(cloud()), coarse)


def test_the_step_of_differences_is_the_finest_active_cell():
    field = SDFField(GRID, radius=0.5)
    assert field.finite_difference_step == pytest.approx(1 / (4 * 1.5**2))
    field.grid.active_levels = 1
    assert field.finite_difference_step == pytest.approx(1 / 4)
    assert SDFField(GRID, epsilon=0.01).finite_difference_step == 0.01


def test_distances_are_exact_in_training_and_colours_need_not_be():
    field = rough_field(precision="bf16")
    points = cloud(2)
    rough = field.query(points, DIRECTIONS)
    field.eval()
    exact = field.query(points, DIRECTIONS)
    assert torch.equal(rough.sdf, exact.sdf)
    assert not torch.equal(rough.rgb, exact.rgb)
    torch.testing.assert_close(rough.rgb, exact.rgb, atol=0.02, rtol=0)


def test_without_gradients_nothing_is_recorded():
    field = rough_field()
    with torch.no_grad():
        parts = field.query(cloud(2), DIRECTIONS)
    assert not any(part.requires_grad for part in parts)
    assert len(field.color(torch.zeros(0, 3))) == 0


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="positive"):
        SDFField(GRID, sphere_radius=0.0)


def geometric_field(**settings: object) -> SDFField:
    """A field of instant-nsr-pl's network with a table far from its initial zeros."""
    torch.manual_seed(0)
    field = SDFField(GRID, radius=1.5, sphere_radius=0.75, distance_network="geometric", **settings)  # pyright: ignore[reportArgumentType]
    field.grid.params.data.normal_(std=0.3)
    return field


@torch.no_grad()
def test_an_untrained_geometric_network_is_a_sphere_whatever_the_table_holds():
    field, other = geometric_field(hidden_width=512), geometric_field(hidden_width=512)
    other.grid.params.data.mul_(-3)
    directions = torch.nn.functional.normalize(cloud(), dim=-1)
    # in units of the radius; the softplus adds its mean at 0, ln 2 / 100, per hidden unit, and less of it further out
    bias = 512 * math.log(2) / 100 * math.sqrt(math.pi / 512)
    for distance in (0.05, 0.4, 1.1, 1.4):
        found, sphere = field.sdf(distance * directions), (distance - 0.75) / 1.5
        assert (found > sphere - 0.1).all()
        assert (found < sphere + bias + 0.1).all()
        torch.testing.assert_close(found, other.sdf(distance * directions))
    assert (field.sdf(0.05 * directions) < 0).all()
    assert (field.sdf(1.4 * directions) > 0).all()
    assert (torch.nn.functional.cosine_similarity(field.normals(0.75 * directions), directions) > 0.9).all()


def test_gradients_of_a_geometric_network_are_those_of_plain_differentiation():
    fast, slow = geometric_field(), geometric_field(backend="torch")
    for field in (fast, slow):  # let the features count, which an untrained network ignores
        first: Any = field.sdf_network.layers[0]  # pyright: ignore[reportIndexIssue]
        first.weight = first.weight + 0.1  # the setter of the weight norm
    points = cloud()
    eikonal(fast.gradient(points)).backward()
    leaf = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(slow.sdf(leaf).sum(), leaf, create_graph=True)
    torch.testing.assert_close(fast.gradient(points), gradient, atol=1e-5, rtol=1e-4)
    eikonal(gradient).backward()
    for (name, a), b in zip(fast.grid.named_parameters(), slow.grid.parameters(), strict=True):
        assert a.grad is not None, name
        assert a.grad.abs().sum() > 0, name
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("gradients", ["analytic", "finite_difference"])
def test_the_colour_network_reads_the_outputs_of_a_geometric_one(gradients: str):
    field = geometric_field(gradients=gradients, n_geometry_features=13, view_dependent=True)
    assert field.color_network.weights[0].shape[1] == 13 + 3 + 16
    points = cloud(8)
    query = field.query(points, torch.nn.functional.normalize(points, dim=-1))
    torch.testing.assert_close(query.sdf, field.sdf(points))
    query.rgb.sum().backward()
    touched = [p.grad for p in field.sdf_network.parameters()]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in touched)


def test_a_geometric_network_needs_a_distance():
    with pytest.raises(ValueError, match="n_geometry_features is 0"):
        SDFField(GRID, distance_network="geometric", n_geometry_features=0)
