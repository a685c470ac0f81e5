"""Atomic checkpoints with finite values only, read without running code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from viewdistill.errors import ViewDistillError
from viewdistill.files import check_digest, sealed_path
from viewdistill.finite import non_finite

ADVICE = "a lower learning rate, or precision fp32"
"""Advice for a non-finite state."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints beside the target, then renames.

    Lightning's own writer moves a file from the system's temporary folder, which is a copy if that is another file
    system: a kill in the middle leaves half a checkpoint under the final name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint that is complete at any moment.

        Args:
            checkpoint: State of the trainer.
            path: File to write.
            storage_options: Must be None; part of Lightning's signature for remote file systems.

        Raises:
            TypeError: ``storage_options`` is given.
            ViewDistillError: A weight, a buffer or the optimiser's state is not finite; the file is unchanged.
        """
        if storage_options is not None:
            raise TypeError("checkpoints are local files here: storage_options must be None")
        if name := _non_finite_part(checkpoint):
            last = path if Path(path).is_file() else "none yet"
            raise ViewDistillError(
                f"step {checkpoint.get('global_step')}: {name} is not finite, so nothing was saved; "
                f"last finite checkpoint: {last}; try {ADVICE}"
            )
        with sealed_path(Path(path)) as partial:
            torch.save(checkpoint, partial)

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint of tensors and plain values; anything else is rejected.

        Raises:
            ViewDistillError: The file has changed since it was written, which torch itself does not check, or its state
                is not finite.
        """
        check_digest(Path(path), "delete it to start this stage again")
        checkpoint = torch.load(path, map_location=map_location or "cpu", weights_only=weights_only is not False)
        if name := _non_finite_part(checkpoint):
            raise ViewDistillError(f"{path}: {name} is not finite; delete the file to start this stage again")
        return checkpoint


def _non_finite_part(checkpoint: dict[str, Any]) -> str | None:
    parts = ("state_dict", "optimizer_states")
    return non_finite({part: checkpoint[part] for part in parts if part in checkpoint})
