"""A field with everything that goes wrong: a torus, a ball on it with a hollow inside, and a floating speck."""

import torch
from jaxtyping import Float
from torch import Tensor

from viewdistill.cameras import rays

PEAK = 60.0
BALL = torch.tensor([0.3, 0.0, 0.2])
RED = torch.tensor([0.85, 0.2, 0.15])
BLUE = torch.tensor([0.1, 0.3, 0.8])


def signed_distance(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    ring = points[:, :2].norm(dim=1) - 0.3
    torus = torch.stack([ring, points[:, 2]], 1).norm(dim=1) - 0.12
    from_ball = (points - BALL).norm(dim=1)
    solid = torch.maximum(torch.minimum(torus, from_ball - 0.15), 0.08 - from_ball)
    speck = (points - torch.tensor([0.0, 0.0, 0.55])).norm(dim=1) - 0.03
    return torch.minimum(solid, speck)


def density(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    return PEAK * torch.sigmoid(-signed_distance(points) / 0.004)


def color(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Blue ball, red torus."""
    return torch.where(((points - BALL).norm(dim=1) < 0.17)[:, None], BLUE, RED)


def opacity(c2w: Float[Tensor, "views 4 4"], fovy: float, size: int) -> Float[Tensor, "views size size"]:
    """Rendered by plain quadrature."""
    origins, directions = rays(c2w, fovy, size, size)
    distances = torch.linspace(0.7, 2.3, 200)
    step = float(distances[1] - distances[0])
    points = origins[..., None, :] + directions[..., None, :] * distances[:, None]
    optical_depth = density(points.reshape(-1, 3)).reshape(points.shape[:-1]).sum(-1) * step
    return 1 - torch.exp(-optical_depth)
