"""Masks of objects in samples over white: view-conditioned priors give colours and no mask."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage as untyped_ndimage
from torch import Tensor

ndimage: Any = untyped_ndimage  # its stubs know neither boolean masks nor the result of `label`

WHITE_DISTANCE = 0.08
"""Least difference of the object from white, in [0, 1]: above an autoencoder's ripple, below the palest shading."""

SPECK = 0.02
"""Share of the largest region's area below which a region is a speck of noise."""


def mask_over_white(
    images: Float[Tensor, "batch 3 height width"], distance: float = WHITE_DISTANCE
) -> Float[Tensor, "batch height width"]:
    """Return masks of objects on white ground.

    A pixel belongs to the object where its darkest channel is further from white than ``distance``. Enclosed white
    regions count as object too: they are labels and highlights more often than holes, and a hole that is filled keeps
    its white colour over white. Specks are dropped.

    Args:
        images: Colours over white in [0, 1].
        distance: In [0, 1], from white.

    Returns:
        1 on the object, 0 elsewhere; all 0 for a white image.
    """
    dark = (1 - images.amin(1)).cpu().numpy() > distance
    masks = np.stack([without_specks(ndimage.binary_fill_holes(mask)) for mask in dark])
    return torch.from_numpy(masks).to(images)


def without_specks(mask: np.ndarray) -> np.ndarray:
    """Return the connected regions of a boolean mask [H, W] that are larger than `SPECK` of the largest."""
    regions, count = ndimage.label(mask)
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    areas[0] = 0  # the ground
    return (areas > SPECK * areas.max())[regions]
