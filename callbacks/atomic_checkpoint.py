"""Checkpoints that are either whole or absent, and are read without running code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from viewdistill.files import check_digest, sealed_path


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames.

    Lightning's own writer moves a file from the system's temporary folder, which is a copy where that is another file
    system: killed in the middle, it leaves half a checkpoint under the final name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint so that it is whole at any moment.

        Args:
            checkpoint: State of the trainer.
            path: File to write.
            storage_options: None; Lightning's signature has it for remote file systems.

        Raises:
            TypeError: ``storage_options`` is given.
        """
        if storage_options is not None:
            raise TypeError("checkpoints are local files here: storage_options must be None")
        with sealed_path(Path(path)) as partial:
            torch.save(checkpoint, partial)

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint of tensors and plain values; anything else in it is refused.

        Raises:
            ViewDistillError: It is not the file that was written: torch itself reads changed numbers without a word.
        """
        check_digest(Path(path), "delete it to start this stage again")
        return torch.load(path, map_location=map_location or "cpu", weights_only=weights_only is not False)
