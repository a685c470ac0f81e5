"""What a stage needs to have been run before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewdistill.errors import ViewDistillError

if TYPE_CHECKING:
    from datamodules.run_folder import InputMeta, RunFolder

COMMANDS = {
    "input": "input IMG --out {}",
    "field": "field {}",
    "novel_views": "novel-views {}",
    "class_images": "class-images {}",
    "specialize_1": "specialize {} --stage 1",
    "specialize_2": "specialize {} --stage 2",
    "views": "views {}",
    "surface": "surface {}",
}
"""Arguments of `viewdistill` that complete a stage of a run folder."""


def require(folder: RunFolder, *stages: str) -> InputMeta:
    """Make sure that stages are complete, and read what is known about the input.

    Args:
        folder: The run.
        stages: Stages besides ``input``.

    Raises:
        ViewDistillError: One is not complete; the message names the command to run.
    """
    from datamodules.run_folder import InputMeta

    for stage in ("input", *stages):
        if not folder.record(stage).is_file():
            command = COMMANDS[stage].format(folder.root)
            raise ViewDistillError(f"{folder.root}: no complete {stage} stage here; run `viewdistill {command}`")
    return InputMeta.load(folder.input_meta)
