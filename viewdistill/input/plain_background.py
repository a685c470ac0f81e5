"""Objects on a plain ground: one colour or a smooth gradient is flooded from the border, without a model."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage as untyped_ndimage
from skimage.color import rgb2lab

ndimage: Any = untyped_ndimage  # its stubs do not know what `label` gives

BORDER = 2
"""Width of the border that is looked at, pixels."""

TOLERANCE = 6.0
"""Largest distance in Lab (CIE 1976 ΔE) from the ground's colour: above JPEG's ripples, below any real edge."""

NOISE_FACTOR = 3.5
"""Tolerance in units of the ground's own noise, where that is more; a noisy ground is flooded as a whole."""

LARGEST_TOLERANCE = 9.0
"""Tolerance beyond which a ground is not plain: noise of 2 in 255 asks for 7, photographs of brick for 10 and more."""

PLAIN_SHARE = 0.8
"""Share of the border that has to be the ground's colour: the rest may be an object that the border cuts."""

FIRST_TOLERANCE = 50.0
"""Distance from the border's median colour, ΔE, up to which it is fitted first: a gradient, and not the object."""

FITS = 4
"""Rounds of the fit, each without the pixels that the one before does not explain."""


def plain_background(rgb: Float[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"] | None:
    """The ground around an object, where it is plain: what the border's colour floods.

    Regions of that colour within the object are not reached by the flood and stay.

    Args:
        rgb: sRGB in [0, 1].

    Returns:
        The ground; none where the border has no plain colour, or where the flood leaves nothing.
    """
    lab = np.asarray(rgb2lab(rgb))
    border = np.ones(lab.shape[:2], bool)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    ground, tolerance = fit_ground(lab, border)
    alike = np.linalg.norm(lab - ground, axis=-1) <= tolerance
    if tolerance > LARGEST_TOLERANCE or alike[border].mean() < PLAIN_SHARE:
        return None
    flooded = ndimage.binary_propagation(alike & border, mask=alike)
    return None if flooded.all() else flooded


def fit_ground(
    lab: Float[np.ndarray, "height width 3"], border: Bool[np.ndarray, "height width"]
) -> tuple[Float[np.ndarray, "height width 3"], float]:
    """A smooth gradient through the border's colours, and the tolerance that its noise asks for.

    The gradient is quadratic in the place. What the border shows of an object is left out: after each fit the pixels
    are kept that are within the tolerance.
    """
    height, width = border.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1)
    design, colors = terms[border], lab[border]
    kept = np.linalg.norm(colors - np.median(colors, 0), axis=-1) <= FIRST_TOLERANCE
    weights, tolerance = np.zeros((6, 3)), LARGEST_TOLERANCE + 1
    for _ in range(FITS):
        if kept.sum() < PLAIN_SHARE / 2 * len(colors):
            break
        weights = np.linalg.lstsq(design[kept], colors[kept], rcond=None)[0]
        misfit = np.linalg.norm(colors - design @ weights, axis=-1)
        tolerance = max(TOLERANCE, NOISE_FACTOR * float(np.median(misfit)))
        kept = misfit <= tolerance
    return terms @ weights, tolerance
