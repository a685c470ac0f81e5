import math

import pytest
import torch

from viewdistill.fields.density_field import DensityField
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.fields.mlp import MLP

GRID = HashGridConfig(4, 2, 10, 4, 1.5, "smoothstep")


def test_mlp_is_matrices_and_relus():
    mlp = MLP(2, 1, width=2)
    mlp.weights[0].data = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    mlp.weights[1].data = torch.tensor([[2.0, 3.0]])
    # relu(1), relu(-5) -> 2; relu(-1), relu(4) -> 12
    assert mlp(torch.tensor([[1.0, 5.0], [-1.0, -4.0]])).tolist() == [[2], [12]]


def test_mlp_starts_xavier_uniform_on_padded_shapes():
    mlp = MLP(20, 1, width=64, n_hidden_layers=2)
    assert [tuple(w.shape) for w in mlp.weights] == [(64, 20), (64, 64), (1, 64)]
    for weight, fans in zip(mlp.weights, (32 + 64, 64 + 64, 64 + 16), strict=True):
        bound = math.sqrt(6 / fans)
        assert bound * 0.8 < weight.abs().max() <= bound


def test_mlp_starts_as_torchs_own_layers_where_asked_to():
    mlp = MLP(32, 3, width=64, initialization="linear")
    for weight, inputs in zip(mlp.weights, (32, 64), strict=True):
        bound = torch.nn.Linear(inputs, 4096).weight.abs().max()
        assert bound * 0.9 < weight.abs().max() <= 1 / math.sqrt(inputs)


def test_an_untrained_field_is_a_soft_ball():
    field = DensityField(GRID, blob_scale=10.0, blob_radius=0.5)
    with torch.no_grad():
        density, rgb = field.query(torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    # softplus of 10, 0 and -10
    torch.testing.assert_close(density, torch.tensor([10.0000454, 0.6931472, 0.0000454]), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(rgb, torch.full((3, 3), 0.5), atol=1e-3, rtol=0)


def test_parts_agree_with_the_query():
    field = DensityField(GRID)
    points = torch.rand(20, 3) * 2 - 1
    density, rgb = field.query(points)
    torch.testing.assert_close(field.density(points), density)
    torch.testing.assert_close(field.color(points), rgb)


def test_the_cube_of_the_radius_is_the_grids_unit_cube():
    torch.manual_seed(0)
    small, large = DensityField(GRID, radius=0.5, blob_scale=0.0), DensityField(GRID, radius=2.0, blob_scale=0.0)
    large.load_state_dict(small.state_dict())
    points = torch.rand(20, 3) - 0.5
    torch.testing.assert_close(small.query(points), large.query(points * 4))


def test_normals_of_the_ball_point_outwards():
    field = DensityField(GRID)
    points = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1) * 0.5
    with torch.no_grad():
        normals = field.normals(points)
    assert not normals.requires_grad
    torch.testing.assert_close(normals, points / 0.5, atol=0.02, rtol=0)


def test_normals_match_finite_differences_and_carry_gradients():
    torch.manual_seed(0)
    field = DensityField(GRID)
    field.grid.params.data.normal_()
    points = torch.rand(30, 3) - 0.5
    normals = field.normals(points)
    slow = DensityField(GRID, backend="torch").double()
    slow.load_state_dict(field.state_dict())
    steps = 1e-6 * torch.eye(3, dtype=torch.float64)
    # the networks answer in float32, so differences need the double-precision parts
    gradient = torch.stack(
        [_density(slow, points.double() + s) - _density(slow, points.double() - s) for s in steps], -1
    )
    torch.testing.assert_close(normals.double(), -torch.nn.functional.normalize(gradient, dim=-1), atol=1e-3, rtol=0)
    normals[:, 0].sum().backward()
    assert field.grid.params.grad is not None
    assert field.grid.params.grad.abs().sum() > 0


def _density(field: DensityField, points: torch.Tensor) -> torch.Tensor:
    x = field.grid((points + field.radius) / (2 * field.radius))
    hidden, last = field.density_network.weights
    raw = ((x @ hidden.T).relu() @ last.T)[:, 0]
    return torch.nn.functional.softplus(raw + field.blob_scale * (1 - points.norm(dim=-1) / field.blob_radius))


def test_half_precision_is_for_training_only_and_close():
    torch.manual_seed(0)
    field = DensityField(GRID, precision="bf16")
    field.grid.params.data.normal_()
    points = torch.rand(200, 3) * 2 - 1
    rough, rgb = field.query(points)
    field.eval()
    exact, exact_rgb = field.query(points)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, atol=0.1, rtol=0.02)
    torch.testing.assert_close(rgb, exact_rgb, atol=0.02, rtol=0)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="radius"):
        DensityField(GRID, radius=0.0)
