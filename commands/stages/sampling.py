"""Stages that sample from a prior: `Trainer.predict` on a module and a data module, built as in the fitted stages."""

import sys

from commands.stages.fitting import StageCLI, StageRun, build
from viewdistill.errors import ViewDistillError


def predict(stage: StageRun, settings: list[str]) -> StageCLI:
    """Run the prediction of a stage; its callbacks write what comes out.

    Args:
        stage: Folder, name and inputs.
        settings: Arguments of `StageCLI`.

    Returns:
        Trainer, model and data after the run.

    Raises:
        ViewDistillError: A setting is wrong, or the trainer was told to leave batches out.
    """
    cli = build(stage, settings)
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
    return cli
