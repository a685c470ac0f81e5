"""The field stage shared by two processes: Lightning's ``ddp`` on the CPU, as `viewdistill field` runs it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from commands.main import main
from datamodules.cameras import CameraSampler
from datamodules.runs.curves import load_curves
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.seeding import Purpose, generator_at
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

STEPS = 60


def sampler(folder: RunFolder, rank: int, processes: int) -> CameraSampler:
    """A sampler as one of several processes has it."""
    data = CameraSampler(str(folder.root), views_per_step=4)
    data.trainer = cast(Any, SimpleNamespace(global_rank=rank, world_size=processes, global_step=0))
    data.setup("fit")
    return data


def test_processes_divide_the_cameras_that_one_would_draw(run_folder: RunFolder) -> None:
    whole = sampler(run_folder, 0, 1).own_batch(5)
    parts = [sampler(run_folder, rank, 2).own_batch(5) for rank in range(2)]
    assert [len(part.azimuth) for part in parts] == [2, 2]
    for rank, part in enumerate(parts):
        for own, all_of_it in zip(part[:4], whole[:4], strict=True):
            assert torch.equal(own, all_of_it[rank::2])
    with pytest.raises(ViewDistillError, match="is 4; give a multiple of the 3 processes"):
        sampler(run_folder, 0, 3).train_dataloader()


def test_processes_draw_noise_of_their_own_and_the_first_that_of_one_alone() -> None:
    def numbers(*process: int) -> list[float]:
        generators = (generator_at(3, 7, purpose, "cpu", *process) for purpose in (Purpose.RAYS, Purpose.DIFFUSION))
        return [float(torch.rand(1, generator=generator)) for generator in generators]

    assert numbers() == numbers(0)
    assert len({*numbers(0), *numbers(1), *numbers(2)}) == 6


def words(folder: RunFolder, prior: Path) -> list[str]:
    """The stage's command."""
    return [
        *("field", str(folder.root)),
        *(f"--config={REPOSITORY / 'configs/presets/debug/field.yaml'}", f"--trainer.max_steps={STEPS}"),
        *(f"--model.guidance.view_prior={prior / 'zero123'}", "--trainer.limit_val_batches=0"),
        *("--data.views_per_step=4", "--model.input_rays=512", "--trainer.accelerator=cpu"),
    ]


def fit_by_two(command: list[str]) -> None:
    """Run a command that starts a second process like its own."""
    # Processes on this machine, whatever its network: gloo would ask for the address of its name.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    script = str(Path(sys.executable).with_name("viewdistill"))
    command = [script, *command, "--trainer.strategy=ddp", "--trainer.devices=2"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=280)
    assert (result.returncode, result.stderr) == (0, "")


def logged(folder: RunFolder) -> dict[str, list[float]]:
    """What the stage logged at every step."""
    curves = load_curves(folder.curves("field"))
    assert curves["loss"].steps == tuple(range(1, STEPS + 1))
    return {name: list(curve.values) for name, curve in curves.items()}


def test_two_processes_learn_as_one_with_as_many_novel_views(run_folder: RunFolder, tiny_prior_folder: Path) -> None:
    command = words(run_folder, tiny_prior_folder)
    fit_by_two(command)
    two = logged(run_folder)
    record = read_json(run_folder.record("field"))
    assert record["figures"]["steps"] == STEPS
    assert sorted(path.name for path in run_folder.root.iterdir()) == ["field", "input"]
    run_folder.record("field").unlink()
    run_folder.field_checkpoint.unlink()
    assert main(command) == 0
    one = logged(run_folder)
    # The noise differs, the cameras do not: curves agree once a few steps are taken together.
    for name in ("loss", "loss/color", "loss/mask", "loss/sparsity", "opacity"):
        first, second = (np.asarray(curves[name]).reshape(-1, 10).mean(1) for curves in (one, two))
        np.testing.assert_allclose(second, first, rtol=0.15, atol=0.01, err_msg=name)
        assert not np.array_equal(one[name], two[name])
