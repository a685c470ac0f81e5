"""Fits: from the last checkpoint that still holds, or from nothing."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from commands.stages.cli import StageCLI, StageRun
from commands.stages.configuration import StageRequest, configuration, overlays_of, own_settings
from commands.stages.job import Report, StageJob, Work
from commands.tracking.logger import Tracker
from commands.tracking.tags import run_tags
from datamodules.runs.run_folder import RunFolder, atomic_path
from datamodules.runs.stages import STAGES
from datamodules.runs.staleness import file_identity, keep_key, kept_key, stage_key
from lightning_modules.checkpoints import plain_content
from viewdistill.errors import ViewDistillError


def fitted_job(name: str, request: StageRequest, own: Sequence[str], watchers: Sequence[Callback] = ()) -> StageJob:
    """A fitted stage with the settings of its YAML, the overlays, the stage's own, the user's; later ones win.

    Args:
        name: The stage.
        request: Run, overlays, seed and single settings.
        own: Settings that follow from the run, as options of LightningCLI.
        watchers: Callbacks that look on, see `StageCLI`.

    Raises:
        ViewDistillError: A setting is wrong.
        SystemExit: The settings are to be printed, which has been done.
    """
    folder = RunFolder(request.run_folder)
    # The streams of noise and of data have seeds of their own, which one option sets together.
    seeds = [] if request.seed is None else [f"--model.seed={request.seed}", f"--data.seed={request.seed}"]
    own = [own_settings("data", run_folder=str(folder.root)), *own, *seeds, *request.settings]
    cli = resolve(name, request, own)
    config = cli.dump()
    # What comes of a changed setting or input is another fit.
    discard = partial(discard_checkpoint, cli.stage)
    return StageJob(
        name,
        folder,
        yaml.safe_load(config),
        partial(built_fit, cli, tuple(watchers)),
        discard=discard,
        config=config,
        overlays=overlays_of(request),
    )


def resolve(name: str, request: StageRequest, own: Sequence[str]) -> StageCLI:
    """Resolve a stage's settings without building anything.

    Args:
        name: The stage.
        request: Run, overlays and seed.
        own: Single settings as options of LightningCLI.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    folder = RunFolder(request.run_folder)
    config = STAGES[name].config
    assert config is not None, f"{name} has no YAML"
    stage = StageRun(folder.stage(name), f"{folder.root.absolute().name}-{name}")
    return StageCLI(stage, configuration(request, config, own), resolve_only=True)


def built_fit(cli: StageCLI, watchers: tuple[Callback, ...], report: Report | None) -> Work:
    """Build a fit, and return the fitting."""
    cli.instantiate(watchers, report)

    def work() -> Mapping[str, Any]:
        describe(cli)
        figures = fit_built(cli)
        return {**figures, "resumed": figures["resumed_from_step"] > 0}

    return work


def build(stage: StageRun, settings: Sequence[str], watchers: Sequence[Callback] = ()) -> StageCLI:
    """Trainer, model and data for a folder that is no stage of a run, with the resolved configuration saved in it.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    cli = StageCLI(stage, settings, watchers)
    if cli.trainer.is_global_zero:
        config = cli.dump()
        files = {path.name: file_identity(path) for path in stage.inputs}
        key = stage_key(stage.folder.name, yaml.safe_load(config), stage.folder.parent, files)
        if stage.restart_when_changed and kept_key(stage.folder) != key:
            discard_checkpoint(stage)
        with atomic_path(stage.folder / "config.yaml") as partial_config:
            partial_config.write_text(config, encoding="utf-8")
        keep_key(stage.folder, key)
        describe(cli)
    return cli


def fit(stage: StageRun, settings: Sequence[str], watchers: Sequence[Callback] = ()) -> dict[str, Any]:
    """Fit in a folder that is no stage of a run, from its last checkpoint where that still holds.

    Args:
        stage: Folder, name and inputs.
        settings: Arguments of `StageCLI`.
        watchers: Callbacks of `StageCLI`.

    Returns:
        Figures: steps, the step resumed from, and what was logged last.

    Raises:
        ViewDistillError: A setting is wrong, or the checkpoint is damaged.
    """
    return fit_built(build(stage, settings, watchers))


def fit_built(cli: StageCLI) -> dict[str, Any]:
    """Fit what was built.

    Raises:
        ViewDistillError: The checkpoint is damaged.
    """
    stage, model = cli.stage, cli.model
    resumed = completed_steps(stage.checkpoint) if stage.checkpoint.is_file() else 0
    if resumed:
        print(f"{stage.name}: resuming after step {resumed}", flush=True)
    train(cli.trainer, model, cli.datamodule, stage.checkpoint if resumed else None)
    cli.trainer.save_checkpoint(stage.checkpoint)
    if not cli.trainer.is_global_zero:
        sys.exit()  # of several processes that shared the fit, the first keeps the stage's record
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    return {"steps": cli.trainer.global_step, "resumed_from_step": resumed, "metrics": metrics}


def train(trainer: Trainer, model: LightningModule, data: LightningDataModule | None, checkpoint: Path | None) -> None:
    """Run the trainer's loop; an interrupt leaves it as `KeyboardInterrupt`, where Lightning would end the process."""
    try:
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:
        if trainer.interrupted:
            raise KeyboardInterrupt from stop
        raise
    if trainer.interrupted:
        raise KeyboardInterrupt


def describe(cli: StageCLI) -> None:
    """Tell the tracker all settings, before its run is started."""
    content: Any = yaml.safe_load(cli.dump())
    files = [Path(str(path)) for path in cli.config.get("config") or [] if path is not None]
    for logger in cli.trainer.loggers:
        if isinstance(logger, Tracker):
            logger.describe(content, run_tags(content, files, cli.stage.folder.parent))


def discard_checkpoint(stage: StageRun) -> None:
    """Remove a checkpoint that another configuration or input led to."""
    if stage.checkpoint.is_file():
        print(f"{stage.name}: settings or inputs have changed; starting again", flush=True)
        stage.checkpoint.unlink()


def completed_steps(checkpoint: Path) -> int:
    """Steps that a checkpoint has behind it.

    Raises:
        ViewDistillError: The file is no checkpoint, is cut short or would have to run code to be read.
    """
    damaged = ViewDistillError(f"{checkpoint}: damaged checkpoint; delete it to start this stage again")
    content = plain_content(checkpoint, damaged, mmap=True)
    steps = content.get("global_step") if isinstance(content, dict) else None
    if not isinstance(steps, int):
        raise damaged
    return steps
