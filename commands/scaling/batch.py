"""Keys of all stages of all objects of a batch, known before any file exists."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from commands.pipeline.recipe import Recipe
from datamodules.runs.staleness import chained_key

IMAGE, RUN = Path("image"), Path("run")
"""Placeholder for an object's own folder in settings shared by all objects."""


def digests(recipe: Recipe) -> dict[str, str]:
    """Return stage → key of everything that determines its result except the image and earlier stages.

    The keys are equal on all machines with the same code, configurations and priors, at any place.

    Raises:
        ViewDistillError: A setting of a stage is wrong.
    """
    return {stage: recipe.job(stage, IMAGE, RUN).settings_key for stage in recipe.route.stages}


def keys(recipe: Recipe, settings: Mapping[str, str], image: Iterable[bytes | None]) -> dict[str, str]:
    """Return stage → key of its inputs: its files in an object's folder are up to date while the key is unchanged.

    Args:
        recipe: The choices of the batch.
        settings: From `digests`.
        image: Content of the image and of the description beside it.
    """
    content = {str(index): hashlib.sha256(part or b"").hexdigest() for index, part in enumerate(image)}
    found: dict[str, str] = {}
    for stage in recipe.route.stages:
        needs = recipe.route.needs(stage)
        files = {} if needs else content
        found[stage] = chained_key(settings[stage], {need: found[need] for need in needs}, files)
    return found
