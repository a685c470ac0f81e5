"""One whole step of the fitted stages with the shipped configurations and the nano priors, as Lightning runs it.

What made the field faster is measured by steps in alternation, of a fit as it is and of one that lacks the change.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float
from pytest_benchmark.fixture import BenchmarkFixture
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from commands.stages.fitting import StageRun, build, train
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.runs.run_folder import RunFolder
from lightning_modules.radiance_field import RadianceField
from tests.benchmarks.pairs import note, only_when_timing, ratio
from tests.dreambooth_stages import finish, finish_class_images, finish_novel_views
from viewdistill.fields.hash_grid import HashGrid
from viewdistill.resources import REPOSITORY

pytestmark = [
    # Of pytorch-lightning, about its own use of jsonargparse.
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
    pytest.mark.benchmark(group="one step of a stage, nano priors"),
]

STAGES = {"field": "field", "specialize": "specialize_1", "surface": "surface"}
WARMUP, ROUNDS = 3, 10


class ForgetfulGrid(HashGrid):
    """Encodes the samples of a ray a second time after culling, in place of taking their features from it."""

    def forward(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, "n features"]:
        return super().forward(points)


def grid_in_torch(module: RadianceField) -> None:
    module.density_field.grid = HashGrid(module.density_field.grid.config, "torch")


def encode_twice(module: RadianceField) -> None:
    module.density_field.grid = ForgetfulGrid(module.density_field.grid.config)


UNDONE: dict[str, tuple[Callable[[RadianceField], None], float]] = {
    "hash grid in numba kernels": (grid_in_torch, 2.5),
    "samples encoded once": (encode_twice, 1.1),
}
"""What made the field's step faster: how to undo it, and how many times as fast the step should be with it."""


class StepByStep(Callback):
    """Holds the fit, which runs in a thread of its own, before every step until it is told to go on.

    Args:
        steps: How many, warm-up included.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.ready = threading.Event()
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.ready.set()
        assert self.go.acquire(timeout=250)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        trainer.should_stop = trainer.global_step >= self.steps
        self.done.release()

    def step(self) -> None:
        self.go.release()
        assert self.done.acquire(timeout=250)


@pytest.fixture
def folder(run_folder: RunFolder, tmp_path: Path) -> RunFolder:
    """A run whose stages before the fitted ones are complete."""
    finish_novel_views(run_folder)
    finish_class_images(run_folder, tmp_path / "cache")
    for index in range(2):
        save_view(run_folder.refined_views, index, np.full((64, 64, 4), 255, np.uint8))
    save_cameras(run_folder.refined_views, [ViewCamera(0.0, 20.0), ViewCamera(180.0, 0.0)])
    finish(run_folder, "views", {})
    return run_folder


Start = Callable[..., StepByStep]


@pytest.fixture
def started(folder: RunFolder) -> Iterator[Start]:
    """Starts the fit of a stage, whose module may be altered before, and sees it end."""
    running: list[threading.Thread] = []

    def start(stage: str, steps: int, alter: Callable[[Any], None] | None = None) -> StepByStep:
        stepper = StepByStep(steps)
        settings = [f"--config={REPOSITORY / 'configs' / f'{STAGES[stage]}.yaml'}", f"--data.run_folder={folder.root}"]
        quiet = ["--trainer.accelerator=cpu", "--trainer.logger=false", "--trainer.limit_val_batches=0"]
        cli = build(StageRun(folder.stage(STAGES[stage]), stage), [*settings, *quiet], [stepper])
        # what is drawn and written at the end of a fit belongs to no step
        cli.trainer.callbacks = [stepper]  # type: ignore[attr-defined]
        if alter is not None:
            alter(cli.model)
        fit = threading.Thread(target=train, args=(cli.trainer, cli.model, cli.datamodule, None), daemon=True)
        fit.start()
        running.append(fit)
        assert stepper.ready.wait(timeout=100)  # one fit at a time loads its priors
        return stepper

    yield start
    for fit in running:
        fit.join(timeout=60)
        assert not fit.is_alive()


@pytest.mark.parametrize("stage", STAGES)
def test_step(benchmark: BenchmarkFixture, started: Start, stage: str, request: pytest.FixtureRequest) -> None:
    timing = request.config.getoption("benchmark_enable")
    stepper = started(stage, WARMUP + ROUNDS if timing else 1)
    benchmark.pedantic(stepper.step, rounds=ROUNDS, warmup_rounds=WARMUP)


@pytest.mark.parametrize("change", UNDONE)
def test_what_made_the_field_faster(started: Start, change: str, request: pytest.FixtureRequest) -> None:
    only_when_timing(request)
    undo, required = UNDONE[change]
    steps = 1 + ROUNDS  # `ratio` warms up by one
    with_it, without = started("field", steps), started("field", steps, undo)
    speedup = ratio(with_it.step, without.step, pairs=ROUNDS)
    note(f"a step of the field, with against without: {change}", speedup, required)
