"""One whole step of the fitted stages with the shipped configurations and the nano priors, as Lightning runs it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.run_folder import RunFolder
from tests.dreambooth_stages import finish, finish_class_images, finish_novel_views
from viewdistill.cli.configuration import REPOSITORY
from viewdistill.cli.lightning import StageRun, build, train

pytestmark = [
    # Of pytorch-lightning, about its own use of jsonargparse.
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
    pytest.mark.benchmark(group="one step of a stage, nano priors"),
]

STAGES = {"field": "field", "specialize": "specialize_1", "surface": "surface"}
WARMUP, ROUNDS = 3, 10


class StepByStep(Callback):
    """Holds the fit, which runs in a thread of its own, before every step until it is told to go on.

    Args:
        steps: How many, warm-up included.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
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


@pytest.fixture
def started(folder: RunFolder) -> Iterator[Callable[[str, int], StepByStep]]:
    """Starts the fit of a stage, and sees it end."""
    running: list[threading.Thread] = []

    def start(stage: str, steps: int) -> StepByStep:
        stepper = StepByStep(steps)
        settings = [f"--config={REPOSITORY / 'configs' / f'{STAGES[stage]}.yaml'}", f"--data.run_folder={folder.root}"]
        quiet = ["--trainer.accelerator=cpu", "--trainer.logger=false", "--trainer.limit_val_batches=0"]
        cli = build(StageRun(folder.stage(STAGES[stage]), stage), [*settings, *quiet], [stepper])
        # what is drawn and written at the end of a fit belongs to no step
        cli.trainer.callbacks = [stepper]  # type: ignore[attr-defined]
        fit = threading.Thread(target=train, args=(cli.trainer, cli.model, cli.datamodule, None), daemon=True)
        fit.start()
        running.append(fit)
        return stepper

    yield start
    for fit in running:
        fit.join(timeout=60)
        assert not fit.is_alive()


@pytest.mark.parametrize("stage", STAGES)
def test_step(
    benchmark: BenchmarkFixture, started: Callable[[str, int], StepByStep], stage: str, request: pytest.FixtureRequest
) -> None:
    timing = request.config.getoption("benchmark_enable")
    stepper = started(stage, WARMUP + ROUNDS if timing else 1)
    benchmark.pedantic(stepper.step, rounds=ROUNDS, warmup_rounds=WARMUP)
