"""LightningCLI for the stages that run Lightning: strict settings, resolved before anything is built."""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from callbacks.atomic_checkpoint import AtomicCheckpointIO
from callbacks.plain_progress import PlainProgress
from callbacks.random_state import RandomState
from callbacks.step_progress import StepProgress, StepReport
from commands.setting_bounds import check_numbers
from commands.settings_errors import settings_message
from commands.stages.job import Report
from commands.tracking.short_names import with_loggers
from viewdistill.errors import ViewDistillError
from viewdistill.precision import fast_bfloat16

CHECKPOINT = "last.ckpt"
"""The checkpoint in a stage's folder."""

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
"""Lightning's precisions that keep weights and positions in float32."""


@dataclass(frozen=True)
class StageRun:
    """Folder of a fitted stage, and its dependencies besides the configuration."""

    folder: Path
    """Folder of checkpoints, the resolved configuration and the tracker's files."""
    name: str
    """Name of the run in the tracker."""
    inputs: tuple[Path, ...] = ()
    """Files that the fit reads."""
    restart_when_changed: bool = True
    """Whether a changed setting or input discards the checkpoint; otherwise the fit resumes from it."""

    @property
    def checkpoint(self) -> Path:
        """The latest checkpoint."""
        return self.folder / CHECKPOINT


class StageCLI(LightningCLI):
    """A LightningCLI without subcommands that only builds the trainer, the model and the data of one stage.

    Args:
        stage: The stage's folder and name.
        settings: Arguments, ``--config`` first.
        watchers: Passive callbacks besides the configured ones; not part of the configuration.
        resolve_only: Whether to stop at the resolved settings, until `instantiate` is called.
    """

    def __init__(
        self,
        stage: StageRun,
        settings: Sequence[str],
        watchers: Sequence[Callback] = (),
        resolve_only: bool = False,
    ) -> None:
        quieten()
        self.stage, self.watchers, self.resolve_only = stage, watchers, resolve_only
        self.report: Report | None = None
        tracker = {"name": stage.name, "save_dir": str(stage.folder)}
        super().__init__(
            args=with_loggers(settings, stage.folder, stage.name),
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
        """Add the command line's own setting."""
        parser.add_argument("--checkpoint_every", type=int, default=100, help="Steps between checkpoints.")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; any error of the settings becomes one line."""
        try:
            self.config = parser.parse_args(args)
        except argparse.ArgumentError as error:
            raise ViewDistillError(f"configuration: {settings_message(str(error))}") from error
        check_numbers(self.config.as_dict())

    def instantiate_classes(self) -> None:
        """Build trainer, model and data, unless only the settings are needed."""
        if self.resolve_only:
            return
        try:
            super().instantiate_classes()
        except MisconfigurationException as error:
            raise ViewDistillError(f"configuration: {' '.join(str(error).split())}") from error
        except ValueError as error:
            # jsonargparse wraps an error of ours in others
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, ViewDistillError):
                cause = cause.__cause__ or cause.__context__
            raise cause or ViewDistillError(f"configuration: {settings_message(str(error))}") from error

    def instantiate(self, watchers: Sequence[Callback] = (), report: Report | None = None) -> None:
        """Build trainer, model and data from the resolved settings.

        Args:
            watchers: As of the class.
            report: Called after every step, instead of a bar or lines on the standard output.

        Raises:
            ViewDistillError: A setting is wrong.
        """
        self.watchers, self.report, self.resolve_only = watchers, report, False
        # Other stages may have drawn random numbers in this process since the settings were resolved.
        seed_everything(self.config["seed_everything"], workers=True)
        self.instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with atomic checkpoints, a saved random state and progress that suits the output."""
        configured = self.config_init["trainer"]
        callbacks: list[Callback] = list(configured["callbacks"] or [])
        callbacks += [*self.watchers, RandomState()]
        if self.report is not None:
            kwargs["enable_progress_bar"] = False
            callbacks.append(StepReport(self.report))
        elif configured["enable_progress_bar"] is None:
            kwargs["enable_progress_bar"] = sys.stdout.isatty()
            callbacks.append(StepProgress() if sys.stdout.isatty() else PlainProgress())
        if not any(isinstance(callback, ModelCheckpoint) for callback in callbacks):
            callbacks.append(
                ModelCheckpoint(
                    dirpath=self.stage.folder,
                    filename=CHECKPOINT.removesuffix(".ckpt"),
                    every_n_train_steps=self.config["checkpoint_every"],
                    enable_version_counter=False,
                )
            )
        if str(configured["precision"] or "32-true") not in PRECISIONS:
            raise ViewDistillError(
                f"trainer.precision is {configured['precision']}; choose {', '.join(PRECISIONS)}: positions and "
                "optimisers need float32; the settings named precision within model say what its networks compute in"
            )
        on_gpu = configured["accelerator"] != "cpu" and torch.cuda.is_available()
        if configured["precision"] == "bf16-mixed" and not fast_bfloat16(torch.device("cuda" if on_gpu else "cpu")):
            print("precision: fp32, since this machine computes bf16 slowly")
            kwargs["precision"] = "32-true"
        plugins = configured["plugins"] or []
        plugins = [*(plugins if isinstance(plugins, list) else [plugins]), AtomicCheckpointIO()]
        try:
            return super().instantiate_trainer(callbacks=callbacks, plugins=plugins, **kwargs)
        except (TypeError, ValueError) as error:  # Lightning's own checks, as of devices
            raise ViewDistillError(f"configuration: trainer: {' '.join(str(error).split())}") from error

    def dump(self) -> str:
        """The resolved configuration as YAML, fit to be given back as ``--config``."""
        return self.parser.dump(self.config, skip_unset=False)


def quieten() -> None:
    """Silence Lightning's own messages; errors and the stages' messages remain."""
    # LightningCLI uses deprecated names of jsonargparse; the pinned versions are compatible.
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    # Of pytorch-lightning, about its own use of torch's tree functions.
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
    # Camera samplers draw a batch in microseconds: workers would only take memory.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Data modules draw by step, so a resumed stream continues where it was.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # A sampling stage with all images present has nothing left to predict.
    warnings.filterwarnings("ignore", message=".*Total length of .DataLoader. across ranks is zero.*")
    # A folder with a checkpoint in it is the normal case of a resumed run.
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
