"""Interpolation in volumes against the library's own."""

import torch
from torch.nn import functional as F

from viewdistill.diffusion.trilinear import interpolate_volume


def test_values_and_gradients_are_those_of_grid_sample() -> None:
    torch.manual_seed(0)
    volume = torch.randn(3, 5, 5, 5, 4, requires_grad=True)
    points, owner = torch.rand(400, 3) * 2.4 - 1.2, torch.randint(0, 3, (400,))  # a few outside
    found = interpolate_volume(volume, points, owner)
    rows = [
        F.grid_sample(volume[index].permute(3, 0, 1, 2)[None], point.view(1, 1, 1, 1, 3), align_corners=False)
        for index, point in zip(owner.tolist(), points, strict=True)
    ]
    expected = torch.stack([row.flatten() for row in rows])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((values * weights).sum(), volume)[0] for values in (found, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)
    assert (found[points.abs().amax(-1) > 1.2 - 1e-3] == 0).all()


def test_the_axes_are_z_y_x_and_a_centre_has_its_own_value() -> None:
    volume = torch.zeros(2, 4, 4, 4, 1)
    volume[1, 3, 1, 0] = 7
    centre = torch.tensor([[-0.75, -0.25, 0.75]])
    assert interpolate_volume(volume, centre, torch.tensor([1])).item() == 7
    assert interpolate_volume(volume, centre, torch.tensor([0])).item() == 0
    assert interpolate_volume(volume, centre.flip(-1), torch.tensor([1])).item() == 0
