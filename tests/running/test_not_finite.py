"""Numbers that blow up: the stage stops in one line, saves nothing of the kind, and the next stage does not begin."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from commands.main import main
from datamodules.runs.run_folder import RunFolder
from tests.running.conftest import Finished
from tests.running.poison import spoiled_priors
from tests.running.whole_object import tiny_options
from viewdistill.finite import non_finite

AFTER = {"field": "views", "specialize_1": "specialize --stage=2", "surface": "mesh --source=surface"}
"""Fitted stage → the subcommand that reads it."""

SUBCOMMANDS = {"specialize_1": "specialize --stage=1", "novel_views": "novel-views", "class_images": "class-images"}
"""Of stages that are called otherwise."""


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> RunFolder:
    """A finished run to spoil."""
    shutil.copytree(finished.object.run.root.parent, tmp_path / "runs")
    return RunFolder(tmp_path / "runs" / finished.object.run.name)


def call(words: str, run: RunFolder, priors: Path, stage: str, *more: str) -> int:
    """Run the subcommand of a stage with the debug preset and tiny priors."""
    subcommand, *fixed = words.split()
    overlay = [] if stage in ("mesh", "input") else [f"--config=configs/presets/debug/{stage}.yaml"]
    options = tiny_options(run.root.parent, priors)[stage].split()
    return main([subcommand, str(run.root), *fixed, *overlay, *options, *more])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The line of the error, after what transformers draws while it loads."""
    *drawn, line = capsys.readouterr().err.splitlines()
    assert all(not text or "Loading weights" in text for text in drawn), drawn
    return line


@pytest.mark.parametrize(
    ("stage", "part", "step", "kept"),
    [
        ("field", "grid", 7, 5),
        ("field", "color_network", 7, 5),
        ("specialize_1", "lora", 1, 1),
        ("surface", "grid", 7, 5),
    ],
)
def test_a_fit_stops_at_the_step_and_keeps_the_last_finite_checkpoint(
    copy: RunFolder,
    tiny_prior_folder: Path,
    stage: str,
    part: str,
    step: int,
    kept: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    poison = ["--trainer.callbacks+=tests.running.poison.Poison", f"--trainer.callbacks.step={step}"]
    poison += [f"--trainer.callbacks.part={part}"]
    subcommand = SUBCOMMANDS.get(stage, stage)
    assert call(subcommand, copy, tiny_prior_folder, stage, *poison) == 2
    checkpoint = copy.stage(stage) / "last.ckpt"
    line = told(capsys)
    assert f"step {step}: " in line
    assert "finite" in line
    assert f"last finite checkpoint: {checkpoint}" in line
    content = torch.load(checkpoint, weights_only=True)
    assert content["global_step"] == kept
    assert non_finite([content["state_dict"], content["optimizer_states"]]) is None
    assert not copy.record(stage).exists()
    reader = AFTER[stage]
    name = {"field": "views", "surface": "mesh"}.get(stage, "specialize_2")
    assert call(reader, copy, tiny_prior_folder, name) == 2
    assert f"viewdistill {subcommand.split()[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("share", [1.0, 0.01])
@pytest.mark.parametrize("stage", ["field", "class_images"])
def test_a_prior_that_is_not_finite_is_refused(
    stage: str,
    share: float,
    copy: RunFolder,
    tiny_prior_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoiled = spoiled_priors(tiny_prior_folder, tmp_path / "spoiled", share)
    assert call(SUBCOMMANDS.get(stage, stage), copy, spoiled, stage) == 2
    line = told(capsys)
    assert "unet: " in line
    assert "is not finite; fetch or train it again" in line


@pytest.mark.parametrize("stage", ["novel_views", "specialize_1", "views"])
def test_predictions_that_are_not_finite_reach_no_picture_and_no_weight(
    stage: str,
    copy: RunFolder,
    tiny_prior_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As half precision does it: sound weights, an activation that overflows.
    forward = UNet2DConditionModel.forward

    def overflowing(*arguments: Any, **options: Any) -> Any:
        output = forward(*arguments, **options)
        (output[0] if isinstance(output, tuple) else output.sample)[..., 0, 0] = torch.inf
        return output

    monkeypatch.setattr(UNet2DConditionModel, "forward", overflowing)
    assert (
        call(SUBCOMMANDS.get(stage, stage), copy, tiny_prior_folder, stage, "--trainer.enable_progress_bar=false") == 2
    )
    line = told(capsys)
    assert "of the latents are not finite" in line or "the loss is" in line
    assert not copy.record(stage).exists()
