import math

import pytest
import torch

from viewdistill.fields.regularizers import eikonal, normal_smoothness, opaque, orientation, sparsity, z_variance


def test_sparsity_is_a_smooth_absolute_value():
    opacity = torch.tensor([0.0, 1.0], requires_grad=True)
    loss = sparsity(opacity)
    assert loss.item() == pytest.approx((0.1 + math.sqrt(1.01)) / 2)
    loss.backward()
    assert opacity.grad is not None
    assert opacity.grad.tolist() == pytest.approx([0, 0.5 / math.sqrt(1.01)])


def test_opaque_is_the_entropy_and_finite_at_the_ends():
    assert opaque(torch.tensor([0.5])).item() == pytest.approx(math.log(2))
    opacity = torch.tensor([0.0, 0.4, 0.6, 1.0], requires_grad=True)
    opaque(opacity).backward()
    assert opacity.grad is not None
    assert opacity.grad.isfinite().all()
    assert opacity.grad[1] > 0 > opacity.grad[2]


def test_z_variance_averages_over_covered_rays():
    variance = torch.tensor([1.0, 3.0, 100.0])
    assert z_variance(variance, torch.tensor([0.9, 0.6, 0.2])).item() == 2


def test_z_variance_of_no_covered_ray_is_zero():
    variance = torch.tensor([1.0, 3.0], requires_grad=True)
    loss = z_variance(variance, torch.tensor([0.1, 0.0]))
    assert loss.item() == 0
    loss.backward()
    assert variance.grad is not None
    assert variance.grad.tolist() == [0, 0]


def test_eikonal_is_zero_for_distances_and_finite_at_zero():
    assert eikonal(torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, -1.0]])).item() == pytest.approx(0, abs=1e-12)
    gradients = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    loss = eikonal(gradients)
    assert loss.item() == pytest.approx((4 + 1) / 2)
    loss.backward()
    assert gradients.grad is not None
    assert gradients.grad.tolist() == [[2, 0, 0], [0, 0, 0]]
    assert eikonal(torch.zeros(0, 3)).item() == 0


def test_normal_smoothness_is_the_mean_difference_of_normals():
    normals = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    assert normal_smoothness(normals, normals.detach()).item() == 0
    assert normal_smoothness(normals, torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])).item() == pytest.approx(2 / 6)
    assert normal_smoothness(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


def test_orientation_penalises_normals_that_face_away():
    weights = torch.tensor([0.5, 0.25], requires_grad=True)
    normals = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.6, 0.8]], requires_grad=True)
    directions = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    loss = orientation(weights, normals, directions, torch.tensor([0, 1]), torch.tensor([0.5, 0.25, 0.0]))
    # only the second sample faces away: 0.25 * 0.8^2 over two covered rays
    assert loss.item() == pytest.approx(0.08)
    loss.backward()
    assert weights.grad is None
    assert normals.grad is not None
