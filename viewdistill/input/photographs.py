"""Objects in photographs: a segmentation network if rembg and its model are installed, else OpenCV's GrabCut."""

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from scipy import ndimage as untyped_ndimage
from skimage.color import rgb2lab

from viewdistill.errors import ViewDistillError
from viewdistill.input.closed_form import grow

ndimage: Any = untyped_ndimage  # its stubs lack the result of `label`

MODEL = "isnet-general-use"
"""rembg's name of the segmentation network (IS-Net, Qin et al. 2022)."""

MODEL_URL = f"https://github.com/danielgatis/rembg/releases/download/v0.0.0/{MODEL}.onnx"

GRABCUT_SIDE = 512
"""Longer side of GrabCut's input, pixels."""

BOX_MARGIN = 0.08
"""Distance of GrabCut's box from each border, as a share of the picture's side; outside is background."""

ROUNDS = 6
"""Iterations of GrabCut: colour models and cut in turn."""

SMALLEST_SHARE, LARGEST_SHARE = 0.03, 0.62
"""Plausible range of an object's area, as shares of the picture."""

FULL_BOX = 0.9
"""Share of the box above which the cut has failed."""

RIM_CONTRAST = 10.0
"""Median difference of colour across the outline, ΔE in Lab, below which it follows no edge."""


def network_mask(image: Image.Image, path: Path) -> UInt8[np.ndarray, "height width"] | None:
    """Return the salient object's coverage by rembg, 255 for full; nothing is downloaded.

    Args:
        image: The photograph, upright.
        path: Its file, for messages.

    Returns:
        None if rembg or its model is not installed.

    Raises:
        ViewDistillError: The model is damaged.
    """
    if any(importlib.util.find_spec(package) is None for package in ("rembg", "onnxruntime")):
        return None
    places = model_places()
    # rembg would download a missing model without asking.
    if not any(place.is_file() for place in places):
        return None
    rembg: Any = importlib.import_module("rembg")
    try:
        session = rembg.new_session(MODEL, providers=["CPUExecutionProvider"])
        return np.asarray(rembg.remove(image.convert("RGB"), session=session, only_mask=True))
    except Exception as error:  # onnxruntime's errors for a damaged model have no public base class
        raise ViewDistillError(
            f"{path}: matting failed ({error}); download {MODEL_URL} to {places[0]} again, or give --mask MASK.png"
        ) from error


def model_places() -> list[Path]:
    """Return rembg's places for the model: the first is used by all its versions, the second by newer ones only."""
    home = Path(os.environ.get("U2NET_HOME") or "~/.u2net").expanduser()
    return [home / f"{MODEL}.onnx", Path("~/.rembg/models").expanduser() / MODEL / f"{MODEL}.onnx"]


def grabcut_mask(rgb: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
    """Cut out the object in the middle of a photograph by GrabCut (Rother, Kolmogorov and Blake 2004).

    It starts from a box, background outside, with an ellipse inside that is probably object. The largest region of the
    result counts, with its holes filled.

    Args:
        rgb: The photograph; processed at `GRABCUT_SIDE`.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, GRABCUT_SIDE / max(height, width))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    labels = initial_labels(small.shape[:2])
    models = np.zeros((2, 1, 65))
    # The rectangle is ignored when labels are given.
    cv2.setRNGSeed(0)  # its colour models start from k-means
    bgr = np.ascontiguousarray(small[..., ::-1])
    cv2.grabCut(bgr, labels, (0, 0, 1, 1), models[0], models[1], ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = largest_region((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    if scale < 1:
        mask = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return mask


def initial_labels(shape: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    """Return GrabCut's initial labels: background, probable background in the box, probable object in its ellipse."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    reach = 1 - 2 * BOX_MARGIN
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    labels[(abs(x) < reach) & (abs(y) < reach)] = cv2.GC_PR_BGD
    labels[x**2 + y**2 < reach**2] = cv2.GC_PR_FGD
    return labels


def largest_region(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Return the largest connected region, its holes filled, after an opening that cuts thin bridges."""
    regions, count = ndimage.label(ndimage.binary_opening(mask, np.ones((3, 3), bool)))
    if not count:
        return mask
    areas = np.bincount(regions.ravel())
    areas[0] = 0  # the background
    return ndimage.binary_fill_holes(regions == areas.argmax())


def matte_doubts(rgb: UInt8[np.ndarray, "height width 3"], mask: Bool[np.ndarray, "height width"]) -> str | None:
    """Return the doubts about the mask of a photograph, in words; None without doubts."""
    share = float(mask.mean())
    if share < SMALLEST_SHARE:
        return f"it covers {share:.1%} of the picture"
    box = initial_labels(mask.shape) != cv2.GC_BGD
    if share > LARGEST_SHARE or (mask & box).sum() > FULL_BOX * box.sum():
        return f"it covers {share:.0%} of the picture"
    inner, outer = mask & ~grow(~mask, 2), ~mask & ~grow(mask, 2)
    lab = np.asarray(rgb2lab(rgb))
    rim = grow(mask, 3) & ~mask
    _, inside = ndimage.distance_transform_edt(~inner, return_indices=True)
    _, outside = ndimage.distance_transform_edt(~outer, return_indices=True)
    across = lab[tuple(inside[:, rim])] - lab[tuple(outside[:, rim])]
    contrast = float(np.median(np.linalg.norm(across, axis=-1))) if rim.any() and inner.any() and outer.any() else 0.0
    return f"most of its outline follows no edge (contrast {contrast:.0f})" if contrast < RIM_CONTRAST else None
