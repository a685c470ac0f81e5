"""Requirements of each preset of `make object`: download, disk, minutes, and the weights named in its YAMLs."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewdistill.diffusion.hub import HubPlace
from viewdistill.diffusion.published import PUBLISHED
from viewdistill.documents import read_yaml
from viewdistill.resources import REPOSITORY

PRESETS = REPOSITORY / "configs" / "presets"
"""Folder of the overlays."""

PRIOR_KEYS = ("view_prior", "text_prior", "prior")
"""Settings that name a prior."""

EMBEDDED = "priors/nano/"
"""Folder of the embedded priors, whose names are those of published ones."""

HALF = 2e-9
"""GB of a parameter in half precision. A repository of the hub holds more where it keeps several formats."""

RUN_GB = {"nano": 0.1, "full": 1.0}
"""Disk of one run, GB: 12 MB for the smallest preset, with room for W&B; full size estimated from its checkpoints."""

NANO_SECONDS = {"field": 97, "specialize_1": 49, "specialize_2": 32, "surface": 115}
"""Fitted stages with the embedded priors, wall-clock seconds on two cores, as measured for the README."""

NANO_OTHER_SECONDS = 73
"""The other stages together."""

VIEW_UNET, TEXT_UNET_32, TEXT_UNET_64 = 0.176, 0.181, 0.804
"""Operations of a prediction, TFLOP: Zero-1-to-3's, and Stable Diffusion 2.1's of latents of 32 and 64."""

ENCODER_256, ENCODER_512, DECODER_512 = 0.273, 1.117, 2.515
"""Operations of the autoencoder for an image of so many pixels a side, TFLOP."""

FULL_TFLOP = {
    # an encoder's gradient by the image takes as many operations as its value
    "field": 15_000 * (VIEW_UNET + TEXT_UNET_32 + 2 * TEXT_UNET_64 + 2 * ENCODER_256 + 2 * ENCODER_512),
    "surface": 20_000 * (2 * TEXT_UNET_64 + 2 * ENCODER_512),
    "class_images": 200 * (50 * 2 * TEXT_UNET_64 + DECODER_512),
    "specialize_1": 600 * 2 * (3 * TEXT_UNET_64 + ENCODER_512),
    "views": 120 * (10 * 2 * TEXT_UNET_64 + ENCODER_512 + DECODER_512),
}
"""The priors' operations by stage of the preset zero123-xl; the other stages take less than a hundredth."""

TFLOP_PER_SECOND = 100
"""A third of an A100's peak in half precision."""


@dataclass(frozen=True)
class PriorState:
    """A published prior that a preset asks for."""

    name: str
    """Folder, as the YAML names it."""
    there: bool
    """Whether the folder exists."""
    license: str
    """Licence of the weights."""
    page: str
    """Page for reading and accepting the licence."""
    command: str
    """Command that fetches the weights into the folder."""


@dataclass(frozen=True)
class PresetState:
    """Requirements of a preset on this machine."""

    name: str
    """Name of the preset; nano is none at all."""
    command: str
    """Command that uses it."""
    download_gb: float
    """Still to be fetched, GB (powers of ten)."""
    disk_gb: float
    """Needed on disk, download included, GB."""
    minutes: float
    """Of one object."""
    basis: str
    """Source of the minutes."""
    priors: tuple[PriorState, ...]
    """Published priors that it reads."""


def preset_states() -> list[PresetState]:
    """List every preset, the embedded priors' own first."""
    names = [path.relative_to(PRESETS).as_posix() for path in sorted(PRESETS.rglob("*")) if path.is_dir()]
    return [preset_state("nano"), *(preset_state(name) for name in names)]


def preset_state(name: str) -> PresetState:
    """Estimate what a preset takes.

    Args:
        name: Folder in ``configs/presets``, as ``zero123-xl/12gb``; nano for the shipped YAMLs alone.
    """
    command = "make object IMG=…" if name == "nano" else f"make object IMG=… PRESET={name}"
    priors = tuple(prior_state(folder) for folder in prior_folders(name))
    download = sum(HALF * PUBLISHED[Path(prior.name).name].parameters for prior in priors if not prior.there)
    if priors:
        minutes = round(sum(FULL_TFLOP.values()) / TFLOP_PER_SECOND / 60)
        basis = f"at least: the priors' operations at {TFLOP_PER_SECOND} TFLOP/s; rendering on top; not measured"
        return PresetState(name, command, download, download + RUN_GB["full"], minutes, basis, priors)
    seconds = NANO_OTHER_SECONDS + sum(
        spent * steps(name, stage) / steps("nano", stage) for stage, spent in NANO_SECONDS.items()
    )
    basis = "measured on two cores" if name == "nano" else "by its steps, from those of nano on two cores"
    return PresetState(name, command, download, RUN_GB["nano"], round(seconds / 60, 1), basis, ())


def layers(name: str, stage: str | None = None) -> Iterator[dict[str, Any]]:
    """Read the YAMLs of a preset, the strongest first: its own, those of the folder above, the shipped ones."""
    folders = [] if name == "nano" else [PRESETS / name, *(PRESETS / name).parents]
    folders = [folder for folder in folders if folder.is_relative_to(PRESETS) and folder != PRESETS]
    for folder in [*folders, REPOSITORY / "configs"]:
        for path in sorted(folder.glob(f"{stage or '*'}.yaml")):
            yield read_yaml(path) or {}


def steps(name: str, stage: str) -> int:
    """Return the steps of a fitted stage."""
    return next(
        layer["trainer"]["max_steps"] for layer in layers(name, stage) if "max_steps" in layer.get("trainer", {})
    )


def prior_folders(name: str) -> list[str]:
    """List the folders of published priors that a preset's YAMLs name, without those that its own replace."""
    stages = sorted({path.stem for path in (REPOSITORY / "configs").rglob("*.yaml")})
    named: list[str] = []
    for stage in stages:
        merged: dict[str, Any] = {}
        for layer in reversed(list(layers(name, stage))):
            overlay(merged, layer)
        named += prior_values(merged)
    return [value for value in dict.fromkeys(named) if is_published(value)]


def overlay(settings: dict[str, Any], layer: dict[str, Any]) -> None:
    """Put the settings of a stronger YAML over those of weaker ones."""
    for key, value in layer.items():
        below = settings.get(key)
        if isinstance(value, dict):
            settings[key] = dict(below) if isinstance(below, dict) else {}
            overlay(settings[key], value)
        else:
            settings[key] = value


def is_published(prior: str) -> bool:
    """Whether a setting names the folder of a published prior."""
    return Path(prior).name in PUBLISHED and not prior.startswith(EMBEDDED)


def prior_values(content: Any) -> list[str]:
    """List the values of all settings that name a prior."""
    if isinstance(content, list):
        return [value for entry in content for value in prior_values(entry)]
    if not isinstance(content, dict):
        return []
    own = [value for key, value in content.items() if key in PRIOR_KEYS and isinstance(value, str)]
    return [*own, *(found for value in content.values() for found in prior_values(value))]


def prior_state(folder: str) -> PriorState:
    """Look for a published prior in the folder that a YAML names."""
    published = PUBLISHED[Path(folder).name]
    place = HubPlace.parse(Path(folder).name)
    assert place is not None  # every published prior has a place
    return PriorState(
        name=folder,
        there=Path(folder).is_dir(),
        license=published.license,
        page=f"https://huggingface.co/{place.id}",
        command=f"{place.command} --local-dir {folder}",
    )


def free_disk_gb() -> float:
    """Free disk where runs go, GB (powers of ten)."""
    runs = Path("runs")
    return round(shutil.disk_usage(runs if runs.is_dir() else Path.cwd()).free / 1e9, 1)
