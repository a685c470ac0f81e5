"""From a stage's `training_step` to the UNet are few functions, so that the score is read where it is used."""

import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from datamodules.runs.run_folder import RunFolder
from tests import tiny_field, tiny_surface
from viewdistill.resources import REPOSITORY

MOST = 4
"""Calls between a `training_step` and the UNet's forward pass, the last one among them."""


class Hops(pl.Callback):
    """Notes the functions of this project that are between the training step and each evaluation of a UNet."""

    def __init__(self) -> None:
        self.found: set[tuple[str, ...]] = set()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        priors = pl_module.predictors if hasattr(pl_module, "predictors") else pl_module.bound.predictors
        for prior in filter(None, (priors.view_prior, priors.text_prior)):
            assert isinstance(prior.unet, UNet2DConditionModel)
            prior.unet.register_forward_pre_hook(lambda *_: self.found.add(functions_since_the_step()))


def functions_since_the_step() -> tuple[str, ...]:
    """Own functions on the stack, the step's first; their wrappers, which check shapes, have other files."""
    names: list[str] = []
    frame: Any = sys._getframe(1)
    while frame is not None and "training_step" not in names:
        if own(frame.f_code.co_filename):
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    return tuple(reversed(names))


def own(file: str) -> bool:
    """Whether a file is of the packages."""
    path = Path(file)
    return path.is_relative_to(REPOSITORY) and path.relative_to(REPOSITORY).parts[0] in (
        "viewdistill",
        "lightning_modules",
    )


@pytest.mark.parametrize("method", ["usd", "sds"])
def test_the_field_asks_the_unet_within_few_calls(run_folder: RunFolder, tiny_prior_folder: Path, method: str):
    hops = Hops()
    settings = tiny_field.guidance(tiny_prior_folder, method)
    tiny_field.fit(tiny_field.module(settings, tiny_field.EVERYTHING), run_folder, 1, watchers=[hops])
    assert_few(hops)


def test_the_surface_asks_the_unet_within_few_calls(run_folder: RunFolder, tiny_prior_folder: Path):
    hops = Hops()
    model = tiny_surface.module(tiny_surface.scores(tiny_prior_folder, "refsd"))
    tiny_surface.fit(model, tiny_surface.finish_ball(run_folder), 1, watchers=[hops])
    assert_few(hops)


def assert_few(hops: Hops) -> None:
    assert hops.found
    for names in hops.found:
        assert names[0] == "training_step"
        assert names[-1] != "training_step"
        assert len(names) <= MOST, names  # the UNet's own call is the last hop
