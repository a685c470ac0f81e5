"""Stages that sample from a prior: `Trainer.predict` on a module and a data module, built as in the fitted stages."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from commands.stages.cli import StageCLI
from commands.stages.configuration import StageRequest, overlays_of, own_settings
from commands.stages.fitting import describe, resolve
from commands.stages.job import Report, StageJob, Work, no_files, nothing
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import ViewDistillError


def sampled_job(
    name: str,
    request: StageRequest,
    own: Sequence[str],
    figures: Callable[[StageCLI], Mapping[str, Any]],
    discard: Callable[[], None] = nothing,
    outputs: Callable[[], Iterable[Path]] = no_files,
) -> StageJob:
    """A sampling stage with the settings of its YAML, the overlays, the stage's own, the user's; later ones win.

    Args:
        name: The stage.
        request: Run, overlays, seed and single settings.
        own: Settings that follow from the run, as options of LightningCLI.
        figures: Figures for the stage's record, from trainer, model and data after the run.
        discard: As of `StageJob`.
        outputs: As of `StageJob`.

    Raises:
        ViewDistillError: A setting is wrong.
        SystemExit: The settings are to be printed, which has been done.
    """
    folder = RunFolder(request.run_folder)
    seed = [] if request.seed is None else [f"--model.seed={request.seed}"]
    cli = resolve(name, request, [own_settings("data", run_folder=str(folder.root)), *own, *seed, *request.settings])
    config = cli.dump()
    return StageJob(
        name,
        folder,
        yaml.safe_load(config),
        partial(built_sampling, cli, figures),
        discard=discard,
        outputs=outputs,
        config=config,
        overlays=overlays_of(request),
    )


def built_sampling(cli: StageCLI, figures: Callable[[StageCLI], Mapping[str, Any]], report: Report | None) -> Work:
    """Build the sampling, and return the work."""
    cli.instantiate(report=report)

    def work() -> Mapping[str, Any]:
        describe(cli)
        predict(cli)
        return figures(cli)

    return work


def predict(cli: StageCLI) -> None:
    """Run the prediction that was built; its callbacks write what comes out.

    Raises:
        ViewDistillError: The trainer was told to leave batches out.
    """
    trainer = cli.trainer
    # A whole number counts batches, 1 among them; the fraction 1.0 is all of them.
    if isinstance(trainer.limit_predict_batches, int) or trainer.limit_predict_batches != 1.0:
        raise ViewDistillError("trainer.limit_predict_batches and fast_dev_run leave images out; run the stage without")
    try:
        trainer.predict(cli.model, datamodule=cli.datamodule, return_predictions=False)
    except SystemExit as stop:  # Lightning's answer to an interrupt
        if trainer.interrupted:
            raise KeyboardInterrupt from stop
        raise
    if not trainer.is_global_zero:
        sys.exit()  # of several processes that shared the images, the first keeps the stage's record
