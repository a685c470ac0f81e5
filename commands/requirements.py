"""Requirements of a stage: complete earlier stages."""

from collections.abc import Iterable

from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.runs.stages import STAGES
from viewdistill.errors import ViewDistillError


def require(folder: RunFolder, *stages: str) -> InputMeta:
    """Check that stages are complete, and read the description of the input.

    Args:
        folder: The run.
        stages: Stages besides ``input``.

    Raises:
        ViewDistillError: A stage is not complete; the message names the command to run.
    """
    require_stages(folder, ("input", *stages))
    return InputMeta.load(folder.input_meta)


def require_stages(folder: RunFolder, stages: Iterable[str]) -> None:
    """Check that stages are complete.

    Raises:
        ViewDistillError: A stage is not complete; the message names the command to run.
    """
    for stage in stages:
        if not folder.record(stage).is_file():
            command = STAGES[stage].command(folder.root)
            raise ViewDistillError(f"{folder.root}: no complete {stage} stage here; run `{command}`")
