"""What the results of a batch hold for: keys of all stages of all objects, before anything of them exists."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from commands.pipeline.recipe import Recipe
from datamodules.staleness import chained_key

IMAGE, RUN = Path("image"), Path("run")
"""In place of an object's own, in settings that all objects share."""


def digests(recipe: Recipe) -> dict[str, str]:
    """Return stage → key of everything but the image and earlier stages that decides its result.

    The same on every machine with the same code, configurations and priors, wherever these lie.

    Raises:
        ViewDistillError: A setting of a stage is wrong.
    """
    return {stage: recipe.job(stage, IMAGE, RUN).settings_key for stage in recipe.route.stages}


def keys(recipe: Recipe, settings: Mapping[str, str], image: Iterable[bytes | None]) -> dict[str, str]:
    """Return stage → key of what its files in an object's folder are made from: they still hold where it is unchanged.

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
