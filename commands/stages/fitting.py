"""LightningCLI for the fitted stages: strict configuration, automatic resume, W&B offline, errors in one line."""

import argparse
import hashlib
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from callbacks.atomic_checkpoint import AtomicCheckpointIO
from callbacks.plain_progress import PlainProgress
from callbacks.random_state import RandomState
from commands.tracking.logger import Tracker
from commands.tracking.tags import run_tags
from datamodules.run_folder import atomic_path, make_folder
from viewdistill.errors import ViewDistillError
from viewdistill.precision import fast_bfloat16

CHECKPOINT = "last.ckpt"
"""The checkpoint in a stage's folder."""

LARGE_FILE = 256_000_000
"""Files from this size on (bytes) are known by size and time, not by their content, in a fingerprint."""


@dataclass(frozen=True)
class StageRun:
    """Where a fitted stage keeps its files, and what it depends on besides its configuration."""

    folder: Path
    """Checkpoints, the resolved configuration and the tracker's files go here."""
    name: str
    """Name of the run in the tracker."""
    inputs: tuple[Path, ...] = ()
    """Files of earlier stages that the fit reads."""
    restart_when_changed: bool = True
    """Whether a changed setting or input discards the checkpoint; otherwise the fit goes on from it."""

    @property
    def checkpoint(self) -> Path:
        """The latest checkpoint."""
        return self.folder / CHECKPOINT


class StageCLI(LightningCLI):
    """A LightningCLI without subcommands that only builds the trainer, the model and the data of one stage.

    Args:
        stage: The stage's folder and name.
        settings: Arguments, ``--config`` first.
        watchers: Callbacks besides the configured ones that look on and change nothing: no part of the configuration.
    """

    def __init__(self, stage: StageRun, settings: list[str], watchers: Sequence[Callback] = ()) -> None:
        self.stage, self.watchers = stage, watchers
        tracker = {"name": stage.name, "save_dir": str(stage.folder)}
        super().__init__(
            args=settings,
            run=False,
            save_config_callback=None,
            seed_everything_default=0,
            trainer_defaults={
                "logger": {"class_path": "commands.tracking.logger.Tracker", "init_args": tracker},
                "default_root_dir": str(stage.folder),
            },
            parser_kwargs={"exit_on_error": False, "prog": "viewdistill"},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the one setting that is the command line's own."""
        parser.add_argument("--checkpoint_every", type=int, default=100, help="Steps between checkpoints.")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, turning whatever is wrong with the settings into one line."""
        try:
            self.config = parser.parse_args(args)
        except argparse.ArgumentError as error:
            raise ViewDistillError(f"configuration: {error}") from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with atomic checkpoints, a saved random state and progress that suits the output."""
        configured = self.config_init["trainer"]
        callbacks: list[Callback] = list(configured["callbacks"] or [])
        callbacks += [*self.watchers, RandomState()]
        if configured["enable_progress_bar"] is None:
            kwargs["enable_progress_bar"] = sys.stdout.isatty()
            callbacks.append(RichProgressBar() if sys.stdout.isatty() else PlainProgress())
        if not any(isinstance(callback, ModelCheckpoint) for callback in callbacks):
            callbacks.append(
                ModelCheckpoint(
                    dirpath=self.stage.folder,
                    filename=CHECKPOINT.removesuffix(".ckpt"),
                    every_n_train_steps=self.config["checkpoint_every"],
                    enable_version_counter=False,
                )
            )
        on_gpu = configured["accelerator"] != "cpu" and torch.cuda.is_available()
        if configured["precision"] == "bf16-mixed" and not fast_bfloat16(torch.device("cuda" if on_gpu else "cpu")):
            print("precision: fp32, since this machine computes bf16 slowly")
            kwargs["precision"] = "32-true"
        plugins = configured["plugins"] or []
        plugins = [*(plugins if isinstance(plugins, list) else [plugins]), AtomicCheckpointIO()]
        return super().instantiate_trainer(callbacks=callbacks, plugins=plugins, **kwargs)

    def dump(self) -> str:
        """The resolved configuration as YAML, fit to be given back as ``--config``."""
        return self.parser.dump(self.config, skip_unset=False)


def build(stage: StageRun, settings: list[str], watchers: Sequence[Callback] = ()) -> StageCLI:
    """Trainer, model and data of a stage, with the resolved configuration saved in its folder.

    Raises:
        ViewDistillError: A setting is wrong.
    """
    quieten()
    cli = StageCLI(stage, settings, watchers)
    make_folder(stage.folder)
    if cli.trainer.is_global_zero:
        config = cli.dump()
        prepare(stage, config)
        overlays = [Path(setting.removeprefix("--config=")) for setting in settings if setting.startswith("--config=")]
        for logger in cli.trainer.loggers:
            if isinstance(logger, Tracker):
                content = yaml.safe_load(config)
                logger.describe(content, run_tags(content, overlays, stage.folder.parent))
    return cli


def fit(stage: StageRun, settings: list[str], watchers: Sequence[Callback] = ()) -> dict[str, Any]:
    """Fit a stage from its last checkpoint, or from nothing where there is none that still holds.

    Args:
        stage: Folder, name and inputs.
        settings: Arguments of `StageCLI`.
        watchers: Callbacks of `StageCLI`.

    Returns:
        Figures for the stage's record: steps, the step resumed from, and what was logged last.

    Raises:
        ViewDistillError: A setting is wrong, or the checkpoint is damaged.
    """
    cli = build(stage, settings, watchers)
    model: LightningModule = cli.model
    data: LightningDataModule | None = cli.datamodule
    resumed = completed_steps(stage.checkpoint) if stage.checkpoint.is_file() else 0
    if resumed:
        print(f"{stage.name}: resuming after step {resumed}", flush=True)
    train(cli.trainer, model, data, stage.checkpoint if resumed else None)
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


def quieten() -> None:
    """Silence what Lightning says about itself; errors and the stages' own words remain."""
    # LightningCLI calls jsonargparse by names that the latter is about to drop; the pinned versions fit together.
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    # Of pytorch-lightning, about its own use of torch's tree functions.
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
    # Camera samplers draw a batch in microseconds: workers would only cost memory.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Data modules draw by the step they are at, so a resumed stream goes on where it was.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # A folder with a checkpoint in it is the normal case of a resumed run.
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")


FINGERPRINT = "fingerprint"
"""The file in a stage's folder that says what its products were made from."""


def changed(stage: StageRun, config: str) -> bool:
    """Whether what lies in the stage's folder was made with another configuration or input, if anything does."""
    record = stage.folder / FINGERPRINT
    return not record.is_file() or record.read_text(encoding="utf-8") != fingerprint(config, stage)


def prepare(stage: StageRun, config: str) -> None:
    """Save the resolved configuration, and discard a checkpoint that another configuration or input led to."""
    if stage.restart_when_changed and stage.checkpoint.is_file() and changed(stage, config):
        print(f"{stage.name}: settings or inputs have changed; starting again", flush=True)
        stage.checkpoint.unlink()
    for name, content in (("config.yaml", config), (FINGERPRINT, fingerprint(config, stage))):
        with atomic_path(stage.folder / name) as partial:
            partial.write_text(content, encoding="utf-8")


def fingerprint(config: str, stage: StageRun) -> str:
    """SHA-256 of all that decides the result: the settings, the inputs, and the files that the settings point at.

    The trainer's logger and the stage's own folder say where things go, not what they are, and are left out.
    """
    settings = yaml.safe_load(config)
    for name in ("logger", "default_root_dir"):
        settings.get("trainer", {}).pop(name, None)
    digest = hashlib.sha256(yaml.safe_dump(settings).encode())
    for path in stage.inputs:
        digest.update(file_identity(path).encode())
    run_root = stage.folder.parent.resolve()
    for path in sorted({path for text in strings(settings) for path in referenced_files(text, run_root)}):
        digest.update(f"{path}:{file_identity(path)}".encode())
    return digest.hexdigest()


def strings(settings: Any) -> list[str]:
    """All strings in nested settings."""
    if isinstance(settings, dict):
        return [text for value in settings.values() for text in strings(value)]
    if isinstance(settings, list):
        return [text for value in settings for text in strings(value)]
    return [settings] if isinstance(settings, str) else []


def referenced_files(text: str, run_root: Path) -> list[Path]:
    """Weights and descriptions that a setting names: a file, or those in a folder (as ``priors/nano``)."""
    path = Path(text)
    if not text or "\n" in text or not path.exists() or run_root.is_relative_to(path.resolve()):
        return []
    if path.is_file():
        return [path]
    return [child for child in path.rglob("*") if child.suffix in (".safetensors", ".json") and child.is_file()]


def file_identity(path: Path) -> str:
    """Digest of a file's content, or size and time of a very large one."""
    status = path.stat()
    if status.st_size >= LARGE_FILE:
        return f"{status.st_size} {status.st_mtime_ns}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def completed_steps(checkpoint: Path) -> int:
    """Steps that a checkpoint has behind it.

    Raises:
        ViewDistillError: The file is no checkpoint, is cut short or would have to run code to be read.
    """
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except Exception as error:
        raise ViewDistillError(f"{checkpoint}: damaged checkpoint; delete it to start this stage again") from error
