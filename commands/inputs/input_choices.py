"""Choices of the input stage: what the user says comes first, then what stands beside the image, then an estimate."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from commands.inputs.input_settings import InputSettings
from datamodules.runs.run_folder import ClassWordSource, ElevationSource, Framing
from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.objects.nouns import noun_of_caption

UNKNOWN_CLASS = "object"
"""The class word where nothing tells a better one."""

LARGEST_DESCRIPTION = 1_000_000
"""Largest description beside an image that is read, bytes."""

LONGEST_WORD = 80
"""Longest class word, characters."""


@dataclass(frozen=True)
class KnownView:
    """Description of an image in a JSON file beside it, such as ``examples/robot.json``; all entries are optional."""

    elevation_deg: float | None = None
    framing: Framing = "fitted"
    caption: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class ElevationChoice:
    """The elevation of the input camera and why."""

    degrees: float
    source: ElevationSource
    confidence: float | None = None
    """Of the estimate, where one was made."""
    alternatives: tuple[float, ...] = ()
    """Other elevations worth a try, degrees."""


@dataclass(frozen=True)
class ClassWordChoice:
    """The class word and why."""

    word: str
    source: ClassWordSource
    margin: float | None = None
    """Of the prior's choice, where it made one."""


def read_known_view(path: Path) -> KnownView:
    """Read the description beside an image; a JSON file that is none of ours counts as absent.

    UTF-8 with and without a byte order mark, UTF-16 and UTF-32 are read; a key whose value is null counts as absent.

    Raises:
        ViewDistillError: The file is too large or no JSON, or has our keys with values that cannot be meant.
    """
    if not path.is_file():
        return KnownView()
    content = read_description(path)
    if not isinstance(content, dict) or not ({"elevation_deg", "framing", "caption"} & set(content)):
        return KnownView()
    known = {key: value for key, value in content.items() if value is not None}
    elevation, framing, caption = known.get("elevation_deg"), known.get("framing", "fitted"), known.get("caption", "")
    if elevation is not None:
        elevation = checked_elevation(elevation, f"{path}: elevation_deg")
    if framing not in ("fitted", "kept"):
        raise ViewDistillError(f'{path}: framing is {shortened(framing)}; give "fitted" or "kept"')
    if not isinstance(caption, str):
        raise ViewDistillError(f"{path}: caption is {shortened(caption)}; give words in quotes")
    seed = known.get("seed")
    seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else None
    return KnownView(elevation, framing, one_line_of(caption), seed)


def one_line_of(words: str) -> str:
    """Words without line breaks and without halves of characters, which no file can hold."""
    return " ".join(words.encode(errors="replace").decode().split())


def read_description(path: Path) -> Any:
    """The content of a user's JSON file.

    Raises:
        ViewDistillError: It is too large, cannot be read, or is no JSON.
    """
    return read_json(path, "fix or remove it", LARGEST_DESCRIPTION)


def shortened(value: object, length: int = 40) -> str:
    """A value as JSON writes it, shortened for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**length:
        return f"a number of more than {length} digits"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else f"{text[:length]}…"


def checked_elevation(elevation: object, name: str = "elevation") -> float:
    """The elevation, if a camera can have it.

    Args:
        elevation: Degrees.
        name: What it is called in messages.

    Raises:
        ViewDistillError: It is beyond the poles or no number.
    """
    if isinstance(elevation, bool) or not isinstance(elevation, int | float):
        raise ViewDistillError(f"{name} is {shortened(elevation)}: must be a number between -90 and 90 degrees")
    # Compared before it is converted: an integer may be too large for floating point.
    if not -90 <= elevation <= 90 or math.isnan(elevation):
        raise ViewDistillError(f"{name} is {shortened(elevation)}: must be between -90 and 90 degrees")
    return float(elevation)


def choose_elevation(
    given: float | None,
    estimate: bool | None,
    known: KnownView,
    framed: UInt8[np.ndarray, "size size 4"],
    settings: InputSettings,
) -> ElevationChoice:
    """``--elevation``, else the description beside the image, else an estimate; 0 where none is wanted.

    Where the estimate is not clear, its median is taken, which is then about the middle of where photographs are taken
    from, and the source is "default".

    Args:
        given: By option, degrees.
        estimate: Whether to estimate also where the elevation is known, or never; only where it is not, when none.
        known: The description.
        framed: The framed image.
        settings: Of the estimate.

    Raises:
        ViewDistillError: The elevation is out of range, or the prior that estimates it cannot be read.
    """
    if given is not None:
        return ElevationChoice(checked_elevation(given), "option")
    if known.elevation_deg is not None and estimate is not True:
        return ElevationChoice(known.elevation_deg, "file")
    if estimate is False:
        return ElevationChoice(0.0, "default")
    # Imported here because they bring the priors' libraries, seconds that known views do not need.
    from commands.inputs.input_estimates import elevation_of

    found = elevation_of(framed, settings)
    alternatives = tuple(float(round(degrees)) for degrees in found.alternatives)
    source: ElevationSource = "estimate" if found.clear else "default"
    return ElevationChoice(round(found.elevation_deg, 1), source, round(found.confidence, 2), alternatives)


def checked_class_word(given: str) -> str:
    """A class word by option, in one line.

    Raises:
        ViewDistillError: It is empty or a text.
    """
    word = one_line_of(given)
    if not word:
        raise ViewDistillError('--class-word is empty; give a noun such as "mug", or leave the option away')
    if len(word) > LONGEST_WORD:
        raise ViewDistillError(f"--class-word has {len(word)} characters; give a noun of at most {LONGEST_WORD}")
    return word


def choose_class_word(
    given: str | None, known: KnownView, framed: UInt8[np.ndarray, "size size 4"], settings: InputSettings
) -> ClassWordChoice:
    """``--class-word``, else the noun of the caption, else a prior's choice where it is clear, else "object".

    Args:
        given: By option.
        known: The description.
        framed: The framed image.
        settings: Of the choice.

    Raises:
        ViewDistillError: The word is empty, or the prior that chooses cannot be read.
    """
    if given is not None:
        return ClassWordChoice(checked_class_word(given), "option")
    if noun := noun_of_caption(known.caption):
        return ClassWordChoice(noun, "caption")
    # Imported here because they bring the priors' libraries, seconds that known views do not need.
    from commands.inputs.input_estimates import best_word

    word, margin, clear = best_word(framed, settings)
    return ClassWordChoice(word if clear else UNKNOWN_CLASS, "prior" if clear else "default", round(margin, 2))
