"""Priors on opacity, depth, normals and distances that keep a field compact, crisp and well-behaved.

Source: threestudio's systems (`systems/zero123.py`, HiFA's z-variance in `hifa.yaml`), DreamFusion's orientation loss.
"""

from jaxtyping import Float, Int64
from torch import Tensor


def sparsity(opacity: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Return the mean of sqrt(o^2 + 0.01): fewer covered pixels cost less, smoothly at zero.

    Args:
        opacity: Rendered opacities in [0, 1].
    """
    return (opacity**2 + 0.01).sqrt().mean()


def opaque(opacity: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Return the binary cross-entropy of the opacity with itself: pushes it to 0 or 1.

    Args:
        opacity: Rendered opacities, clamped to [1e-3, 1 - 1e-3] so that the logarithms and gradients stay finite.
    """
    clamped = opacity.clamp(1e-3, 1 - 1e-3)
    # written out: the target carries a gradient here, as in threestudio
    return -(clamped * clamped.log() + (1 - clamped) * (1 - clamped).log()).mean()


def z_variance(variance: Float[Tensor, "*batch"], opacity: Float[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Return the mean variance of depth along the rays with opacity above a half; zero if there are none.

    Args:
        variance: Weighted variance of the samples' distances, world units squared.
        opacity: Rendered opacities.
    """
    selected = opacity.detach() > 0.5
    # a sum over the selection: the mean over an empty set would be NaN
    return (variance * selected).sum() / selected.sum().clamp_min(1)


def eikonal(gradients: Float[Tensor, "samples 3"]) -> Float[Tensor, ""]:
    """Return the mean of (|∇f| - 1)^2, the eikonal term (Gropp et al. 2020, "Implicit Geometric Regularization").

    Args:
        gradients: ∇f of a signed distance field; zero if there are none.
    """
    return (gradients.norm(dim=-1) - 1).square().sum() / max(1, len(gradients))


def normal_smoothness(normals: Float[Tensor, "points 3"], nearby: Float[Tensor, "points 3"]) -> Float[Tensor, ""]:
    """Return the mean of |n(x) - n(x + δ)|, which smooths relief that only explains inconsistent views; zero if empty.

    Args:
        normals: Unit normals at points of the surface.
        nearby: Unit normals at points displaced by δ.
    """
    return (normals - nearby).abs().sum() / max(1, normals.numel())


def orientation(
    weights: Float[Tensor, " samples"],
    normals: Float[Tensor, "samples 3"],
    directions: Float[Tensor, "rays 3"],
    ray_indices: Int64[Tensor, " samples"],
    opacity: Float[Tensor, " rays"],
) -> Float[Tensor, ""]:
    """Penalise visible samples whose normals face away from the camera: Σ sg(w) relu(n·d)^2 / #(opacity > 0).

    Args:
        weights: Compositing weights; no gradient flows into them.
        normals: Unit normals of the samples.
        directions: Unit directions of the rays, away from the camera.
        ray_indices: Ray of each sample.
        opacity: Rendered opacity of each ray.
    """
    facing_away = (normals * directions[ray_indices]).sum(-1).relu()
    return (weights.detach() * facing_away**2).sum() / (opacity > 0).sum().clamp_min(1)
