"""Closed-form matting (Levin, Lischinski and Weiss 2008) of the pixels along a hard mask's rim.

Within a window of 3 x 3 pixels, foreground and background are taken to lie on a line of colours each; alpha is then an
affine function of the colour there, and the sum over all windows of the squared misfit, αᵀLα, is least for the solution
of a sparse linear system (L is their equation 12). Only the unknown rim is solved for.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage as untyped_ndimage
from scipy import sparse
from scipy.sparse.linalg import spsolve

ndimage: Any = untyped_ndimage  # its stubs lack the results of `binary_dilation` and the like

EPSILON = 1e-5
"""Weight of the paper's regulariser, for colours in [0, 1]: the noise of a photograph, far below any edge."""

WINDOW = 9
"""Pixels per window."""

SOLID = 0.99
"""Smallest alpha of a pixel with the pure foreground colour."""

REACH = 8
"""Largest distance, pixels, from which the rim takes its colour; thin parts without solid pixels keep theirs."""


def soften_rim(
    rgb: Float[np.ndarray, "height width 3"], mask: Bool[np.ndarray, "height width"], reach: int = 2
) -> Float[np.ndarray, "height width"]:
    """Return the alpha of a hard mask; its rim, ``reach`` pixels to either side, is solved for."""
    outer, inner = grow(mask, reach), ~grow(~mask, reach)
    return closed_form_alpha(rgb, inner, outer & ~inner)


def grow(mask: Bool[np.ndarray, "height width"], reach: int) -> Bool[np.ndarray, "height width"]:
    """Return the mask with all pixels within ``reach`` of it, in the chessboard distance."""
    return ndimage.binary_dilation(mask, np.ones((3, 3), bool), iterations=reach) if reach else mask


def closed_form_alpha(
    rgb: Float[np.ndarray, "height width 3"],
    foreground: Bool[np.ndarray, "height width"],
    unknown: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "height width"]:
    """Return alpha in [0, 1]: 1 on the foreground, 0 elsewhere, solved for where it is unknown.

    Args:
        rgb: Colours in [0, 1].
        foreground: Pixels known to be covered.
        unknown: Pixels to solve for.
    """
    alpha = foreground.astype(np.float64)
    if not unknown.any() or min(unknown.shape) < 3:
        return alpha
    laplacian = matting_laplacian(rgb, unknown)
    places, known = np.flatnonzero(unknown), alpha.ravel().copy()
    known[places] = 0
    rows = laplacian[places]
    # A pixel in flat windows only is hardly coupled to its neighbours; the identity keeps the system solvable.
    system = rows[:, places] + 1e-9 * sparse.identity(len(places))
    alpha.ravel()[places] = np.clip(np.asarray(spsolve(system.tocsc(), -(rows @ known))), 0, 1)
    return alpha


def matting_laplacian(
    rgb: Float[np.ndarray, "height width 3"], unknown: Bool[np.ndarray, "height width"]
) -> sparse.csr_matrix:
    """Return L over all windows with an unknown pixel, as a matrix over all pixels of the image."""
    height, width = unknown.shape
    rows, columns = np.nonzero(grow(unknown, 1)[1:-1, 1:-1])
    offsets = np.arange(3)
    windows = (rows[:, None, None] + offsets[:, None]) * width + columns[:, None, None] + offsets
    windows = windows.reshape(-1, WINDOW)
    colors = rgb.reshape(-1, 3)[windows].astype(np.float64)
    centred = colors - colors.mean(1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ centred / WINDOW + EPSILON / WINDOW * np.eye(3)
    affinity = (1 + centred @ np.linalg.inv(covariance) @ centred.transpose(0, 2, 1)) / WINDOW
    values = np.eye(WINDOW) - affinity
    first, second = np.repeat(windows, WINDOW, 1), np.tile(windows, (1, WINDOW))
    pixels = height * width
    return sparse.csr_matrix((values.ravel(), (first.ravel(), second.ravel())), shape=(pixels, pixels))


def without_background_color(
    rgb: Float[np.ndarray, "height width 3"], alpha: Float[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width 3"]:
    """Return the colours, with those of the mixed rim replaced by the nearest solid pixel's."""
    solid = alpha >= SOLID
    rim = (alpha > 0) & ~solid
    if not solid.any() or not rim.any():
        return rgb
    distance, (rows, columns) = ndimage.distance_transform_edt(~solid, return_indices=True)
    rim &= distance <= REACH
    mended = rgb.copy()
    mended[rim] = rgb[rows[rim], columns[rim]]
    return mended
