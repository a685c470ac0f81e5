"""Loggers by one word: `--trainer.logger csv`."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

from viewdistill.errors import ViewDistillError

OPTION = "--trainer.logger"
"""Option with one-word values."""

LOGGERS = {
    "csv": "pytorch_lightning.loggers.CSVLogger",
    "tensorboard": "pytorch_lightning.loggers.TensorBoardLogger",
    "wandb": "commands.tracking.logger.Tracker",
}
"""Word → class."""

TENSORBOARD = ("tensorboard", "tensorboardX")
"""Packages that write TensorBoard's files; one is enough."""


def with_loggers(settings: Sequence[str], folder: Path, name: str) -> list[str]:
    """Return settings in which a logger that is given by one word is spelled out, with its place in the stage's folder.

    Args:
        settings: Options of LightningCLI.
        folder: The stage's folder; files of a logger go to a folder of the word's name in it.
        name: Of the run.

    Raises:
        ViewDistillError: TensorBoard is asked for and not installed.
    """
    found: list[str] = []
    pending = list(settings)
    while pending:
        option = pending.pop(0)
        if option == OPTION and pending:
            option = f"{OPTION}={pending.pop(0)}"
        word = option.removeprefix(f"{OPTION}=")
        found.append(f"{OPTION}={spelled_out(word, folder, name)}" if option != word and word in LOGGERS else option)
    return found


def spelled_out(word: str, folder: Path, name: str) -> str:
    """Return a logger's class and place as JSON.

    Raises:
        ViewDistillError: TensorBoard is asked for and not installed.
    """
    if word == "tensorboard" and not any(map(importlib.util.find_spec, TENSORBOARD)):
        raise ViewDistillError(f"{OPTION} tensorboard: not installed; run `pip install tensorboard`, or take csv")
    places = {"name": name, "save_dir": str(folder)} if word == "wandb" else {
        "name": word, "save_dir": str(folder), "version": ""
    }  # fmt: skip
    return json.dumps({"class_path": LOGGERS[word], "init_args": places})
