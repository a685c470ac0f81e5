"""Objects on a plain background: one colour or a smooth gradient is flooded from the border, without a model."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage as untyped_ndimage
from skimage.color import rgb2lab

ndimage: Any = untyped_ndimage  # its stubs lack the result of `label`

BORDER = 2
"""Width of the border to inspect, pixels."""

TOLERANCE = 6.0
"""Largest distance in Lab (CIE 1976 ΔE) from the background's colour: above JPEG's ripples, below any real edge."""

NOISE_FACTOR = 3.5
"""Tolerance in units of the background's noise, if larger; a noisy background is then flooded completely."""

LARGEST_TOLERANCE = 9.0
"""Largest tolerance of a plain background: noise of 2 in 255 needs 7, photographs of brick 10 and more."""

PLAIN_SHARE = 0.8
"""Least share of the border with the background's colour; the rest may be an object that the border cuts."""

FIRST_TOLERANCE = 50.0
"""Largest distance from the border's median colour, ΔE, in the first fit: a gradient, but not the object."""

FITS = 4
"""Rounds of the fit, each without the outliers of the one before."""


def plain_background(rgb: Float[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"] | None:
    """Return the plain background around an object, flooded from the border.

    Regions of that colour within the object are not reached by the flood and stay.

    Args:
        rgb: sRGB in [0, 1].

    Returns:
        The background; None if the border has no plain colour, or if the flood covers everything.
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
    """Fit a smooth gradient to the border's colours; return it with the tolerance for its noise.

    The gradient is quadratic in the position. Object pixels on the border are excluded: after each fit only pixels
    within the tolerance are kept.
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
