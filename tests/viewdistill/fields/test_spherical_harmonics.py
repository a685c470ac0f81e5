import math

import torch

from viewdistill.fields.spherical_harmonics import N_HARMONICS, spherical_harmonics


def test_they_are_orthonormal_on_the_sphere():
    # Gauss-Legendre in z and equal steps in azimuth integrate products of these polynomials exactly
    nodes = torch.tensor([-0.9061798459, -0.5384693101, 0.0, 0.5384693101, 0.9061798459], dtype=torch.float64)
    weights = torch.tensor([0.2369268851, 0.4786286705, 0.5688888889, 0.4786286705, 0.2369268851], dtype=torch.float64)
    phi = torch.arange(12, dtype=torch.float64) * (2 * math.pi / 12)
    z, phi = torch.meshgrid(nodes, phi, indexing="ij")
    r = (1 - z**2).sqrt()
    basis = spherical_harmonics(torch.stack([r * phi.cos(), r * phi.sin(), z], -1).reshape(-1, 3))
    area = (weights[:, None] * (2 * math.pi / 12)).expand_as(z).reshape(-1, 1)
    torch.testing.assert_close(basis.T @ (basis * area), torch.eye(N_HARMONICS).double(), atol=1e-8, rtol=0)


def test_bands_by_hand():
    values = spherical_harmonics(torch.tensor([[0.0, 0.0, 1.0]]))[0]
    assert values[0].item() == torch.tensor(0.5 / math.sqrt(math.pi)).item()
    torch.testing.assert_close(values[2].item(), math.sqrt(3 / (4 * math.pi)), atol=1e-6, rtol=0)
    assert values[[1, 3, 4, 5, 7, 8]].abs().max() == 0
