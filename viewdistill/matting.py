"""Matting: the object's mask in a photograph without one, through the optional package rembg."""

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from viewdistill.errors import ViewDistillError

MODEL = "isnet-general-use"
"""rembg's name of the segmentation network (IS-Net, Qin et al. 2022)."""

MODEL_URL = f"https://github.com/danielgatis/rembg/releases/download/v0.0.0/{MODEL}.onnx"


def object_mask(image: Image.Image, path: Path) -> UInt8[np.ndarray, "height width"]:
    """Coverage of the salient object of a photograph, 255 for all; nothing is downloaded for it.

    Args:
        image: The photograph, upright.
        path: Its file, for messages.

    Raises:
        ViewDistillError: rembg or its model is not installed; the message says how to get it.
    """
    for package in ("rembg", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise ViewDistillError(
                f"{path}: no transparent background, and matting is not installed; save it as an RGBA PNG, "
                "give --mask MASK.png, or run `pip install -e '.[matting]'`"
            )
    places = model_places()
    # rembg would download a missing model by itself, which nothing here does unasked.
    if not any(place.is_file() for place in places):
        raise ViewDistillError(
            f"{path}: no transparent background, and the matting model is missing; save it as an RGBA PNG, "
            f"give --mask MASK.png, or download {MODEL_URL} to {places[0]}"
        )
    rembg: Any = importlib.import_module("rembg")
    try:
        session = rembg.new_session(MODEL, providers=["CPUExecutionProvider"])
        return np.asarray(rembg.remove(image.convert("RGB"), session=session, only_mask=True))
    # onnxruntime's errors for a damaged model have no public base class.
    except Exception as error:
        raise ViewDistillError(
            f"{path}: matting failed ({error}); download {MODEL_URL} to {places[0]} again, or give --mask MASK.png"
        ) from error


def model_places() -> list[Path]:
    """Where rembg looks for the model: the first place in all its versions, the second in newer ones alone."""
    home = Path(os.environ.get("U2NET_HOME") or "~/.u2net").expanduser()
    return [home / f"{MODEL}.onnx", Path("~/.rembg/models").expanduser() / MODEL / f"{MODEL}.onnx"]
