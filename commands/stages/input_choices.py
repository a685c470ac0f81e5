"""Choices of the input stage: what the user says comes first, then what stands beside the image, then an estimate."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from viewdistill.errors import ViewDistillError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8
    from torch import Tensor

    from datamodules.run_folder import ClassWordSource, ElevationSource

UNKNOWN_CLASS = "object"
"""The class word where nothing tells a better one."""


@dataclass(frozen=True)
class KnownView:
    """What a JSON file beside an image says about it (as ``examples/robot.json`` does); all of it optional."""

    elevation_deg: float | None = None
    framing: str = "fitted"
    caption: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class ElevationChoice:
    """The elevation of the input camera and why."""

    degrees: float
    source: ElevationSource
    margin: float | None = None
    """Of the estimate, where one was made."""


@dataclass(frozen=True)
class ClassWordChoice:
    """The class word and why."""

    word: str
    source: ClassWordSource
    margin: float | None = None
    """Of the prior's choice, where it made one."""


def read_known_view(path: Path) -> KnownView:
    """Read the description beside an image; a JSON file that is none of ours counts as absent.

    Raises:
        ViewDistillError: The file has our keys with values that cannot be meant.
    """
    from datamodules.run_folder import read_json

    if not path.is_file():
        return KnownView()
    content = read_json(path)
    if not isinstance(content, dict) or not ({"elevation_deg", "framing", "caption"} & set(content)):
        return KnownView()
    elevation, framing = content.get("elevation_deg"), content.get("framing", "fitted")
    if not isinstance(elevation, int | float | None) or framing not in ("fitted", "kept"):
        raise ViewDistillError(f'{path}: elevation_deg must be a number and framing "fitted" or "kept"')
    seed = content.get("seed")
    return KnownView(
        elevation_deg=None if elevation is None else float(elevation),
        framing=framing,
        caption=str(content.get("caption", "")),
        seed=seed if isinstance(seed, int) else None,
    )


def choose_elevation(
    arguments: argparse.Namespace, known: KnownView, framed: UInt8[np.ndarray, "size size 4"]
) -> ElevationChoice:
    """``--elevation``, else the description beside the image, else an estimate where it is clear, else 0.

    Raises:
        ViewDistillError: The elevation is out of range, or the prior that estimates it cannot be read.
    """
    if arguments.elevation is not None:
        return ElevationChoice(checked_elevation(arguments.elevation), "option")
    if known.elevation_deg is not None and arguments.estimate_elevation is not True:
        return ElevationChoice(checked_elevation(known.elevation_deg), "file")
    if arguments.estimate_elevation is False:
        return ElevationChoice(0.0, "default")

    from viewdistill.diffusion.priors import ViewConditionedPrior
    from viewdistill.guidance.elevation import CLEAR_MARGIN, estimate_elevation

    prior = ViewConditionedPrior.from_folder(arguments.view_prior)
    estimate = estimate_elevation(prior, *picture_and_mask(framed, prior.image_size))
    if estimate.margin < CLEAR_MARGIN:
        return ElevationChoice(0.0, "default", round(estimate.margin, 4))
    return ElevationChoice(round(estimate.elevation_deg, 1), "estimate", round(estimate.margin, 4))


def checked_elevation(elevation: float) -> float:
    """The elevation, if a camera can have it.

    Raises:
        ViewDistillError: It is beyond the poles or no number.
    """
    if not math.isfinite(elevation) or abs(elevation) > 90:
        raise ViewDistillError(f"elevation {elevation:g}: must be between -90 and 90 degrees")
    return elevation


def choose_class_word(
    arguments: argparse.Namespace, known: KnownView, framed: UInt8[np.ndarray, "size size 4"]
) -> ClassWordChoice:
    """``--class-word``, else the noun of the caption, else the prior's choice where it is clear, else "object".

    Raises:
        ViewDistillError: The word is empty, or the prior that chooses cannot be read.
    """
    from viewdistill.objects.nouns import NOUNS, noun_of_caption

    if arguments.class_word is not None:
        word = " ".join(arguments.class_word.split())
        if not word:
            raise ViewDistillError('--class-word is empty; give a noun such as "mug", or leave the option away')
        return ClassWordChoice(word, "option")
    if noun := noun_of_caption(known.caption):
        return ClassWordChoice(noun, "caption")

    from viewdistill.diffusion.classifier import CLEAR_MARGIN, classify
    from viewdistill.diffusion.priors import TextConditionedPrior

    prior = TextConditionedPrior.from_folder(arguments.text_prior)
    image, _ = picture_and_mask(framed, prior.image_size)
    result = classify(prior, image, [f"a {noun}" for noun in NOUNS])
    clear = result.margin >= CLEAR_MARGIN
    return ClassWordChoice(
        NOUNS[result.best] if clear else UNKNOWN_CLASS, "prior" if clear else "default", round(result.margin, 2)
    )


def picture_and_mask(
    framed: UInt8[np.ndarray, "side side 4"], size: int
) -> tuple[Float[Tensor, "1 3 size size"], Float[Tensor, "1 1 size size"]]:
    """The framed image over white and its mask, both in [0, 1], at a prior's size."""
    import torch
    from torch.nn import functional as F

    from viewdistill.metrics.images import over_white

    rgba = torch.from_numpy(framed.copy()).permute(2, 0, 1)[None] / 255
    both = torch.cat([over_white(rgba), rgba[:, 3:]], 1)
    both = F.interpolate(both, (size, size), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
    return both[:, :3], both[:, 3:]
