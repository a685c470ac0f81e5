"""Agreement of novel views with the truth: PSNR and SSIM.

Both take pictures over white in [0, 1] and count every pixel; means over views and then over objects are the caller's.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

SMALLEST_MSE = 1e-10
"""Floor of the mean squared error: equal pictures get 100 dB instead of infinity, so that means stay finite."""


def over_white(rgba: Float[Tensor, "batch 4 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Composites pictures with straight (not premultiplied) alpha over white."""
    alpha = rgba[:, 3:]
    return rgba[:, :3] * alpha + (1 - alpha)


def psnr(
    prediction: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, " batch"]:
    """Peak signal-to-noise ratio of each picture, dB, peak 1.

    Args:
        prediction: Pictures over white in [0, 1]; values outside are clamped, as a file would.
        target: The truth over white in [0, 1].
    """
    mse = (prediction.clamp(0, 1) - target).square().mean((1, 2, 3))
    return -10 * torch.log10(mse.clamp_min(SMALLEST_MSE))


def ssim(
    prediction: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, " batch"]:
    """Structural similarity of each picture (Wang et al. 2004): Gaussian window of sigma 1.5, data range 1.

    Args:
        prediction: Pictures over white in [0, 1]; values outside are clamped, as a file would.
        target: The truth over white in [0, 1].
    """
    similarity = structural_similarity_index_measure(
        prediction.clamp(0, 1), target, data_range=1.0, reduction="none", return_full_image=False
    )
    assert isinstance(similarity, Tensor)
    return similarity.reshape(len(prediction))
