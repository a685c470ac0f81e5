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

WEIGHTS_GB = {"zero123-xl": 2.5, "stable-diffusion-2-1-base": 2.6}
"""Published weights in half precision, GB: parameters of UNet, autoencoder and tower, 2 bytes each. A repository of the
hub holds more where it keeps several formats."""

RUN_GB = {"nano": 0.1, "full": 1.0}
"""Disk of one run, GB: 12 MB for the smallest preset, with room for W&B; full size estimated from its checkpoints."""

NANO_SECONDS = {"field": 97, "specialize_1": 49, "specialize_2": 32, "surface": 115}
"""Fitted stages with the embedded priors, wall-clock seconds on two cores, as measured for the README."""

NANO_OTHER_SECONDS = 73
"""The other stages together."""

FULL_MINUTES = 130
"""The preset zero123-xl on a GPU of 80 GB, estimated from its steps; not measured."""


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
    download = sum(WEIGHTS_GB.get(Path(prior.name).name, 0.0) for prior in priors if not prior.there)
    if priors:
        basis = "reckoned from its steps for a GPU of 80 GB, not measured"
        return PresetState(name, command, download, download + RUN_GB["full"], FULL_MINUTES, basis, priors)
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
    """List the folders of published priors that a preset's YAMLs name."""
    named = [value for layer in layers(name) for value in prior_values(layer)]
    return [value for value in dict.fromkeys(named) if is_published(value)]


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
