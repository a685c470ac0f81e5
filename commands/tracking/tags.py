"""Tags for finding runs."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datamodules.runs.staleness import file_identity, referenced_files, strings
from viewdistill import resources

LONGEST = 64
"""Characters that W&B allows in a tag."""


def run_tags(settings: Any, overlays: Iterable[Path], run_root: Path) -> tuple[str, ...]:
    """Return preset, method and priors of a stage, such as ``preset:debug``, ``method:usd``, ``zero123:1f2e3d4c``.

    Args:
        settings: Resolved settings, nested.
        overlays: Configurations that were read; those in ``presets/<preset>/`` name their preset.
        run_root: The object's folder; weights within it are no priors.
    """
    presets = [f"preset:{path.parent.name}" for path in overlays if path.parent.parent.name == "presets"]
    methods = [f"method:{method}" for method in values_of(settings, "method")]
    tags = dict.fromkeys([*presets, *methods, *prior_tags(settings, run_root)])
    return tuple(tag[:LONGEST] for tag in tags)


def values_of(settings: Any, name: str) -> list[Any]:
    """All values under a key, anywhere in nested settings."""
    if isinstance(settings, list):
        return [value for entry in settings for value in values_of(entry, name)]
    if not isinstance(settings, dict):
        return []
    own = [settings[name]] if name in settings and not isinstance(settings[name], dict) else []
    return [*own, *(found for value in settings.values() for found in values_of(value, name))]


def prior_tags(settings: Any, run_root: Path) -> list[str]:
    """Name and first eight digits of the SHA-256 of every folder of weights that the settings name."""
    tags: list[str] = []
    for text in strings(settings):
        folder = resources.find(text)
        if not text or not folder.is_dir() or folder.resolve().is_relative_to(run_root.resolve()):
            continue
        files = sorted(referenced_files(text, run_root.resolve()))
        if any(path.suffix == ".safetensors" for path in files):
            content = "".join(f"{path.relative_to(folder)}:{file_identity(path)}\n" for path in files)
            tags.append(f"{folder.name}:{hashlib.sha256(content.encode()).hexdigest()[:8]}")
    return tags
