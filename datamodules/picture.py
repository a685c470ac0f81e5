"""A text, and requests for pictures of it."""

from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.runs.run_folder import RunFolder
from datamodules.sampled_images import batches_of
from viewdistill.errors import ViewDistillError


class PictureBatch(NamedTuple):
    """Pictures to sample."""

    indices: Int[Tensor, " pictures"]
    """Indices of the candidates; they seed the noise."""
    text: str
    """Their text."""


class PictureText(pl.LightningDataModule):
    """An object's text and the candidates for its picture.

    Args:
        run_folder: Folder of one object, ``runs/<object>``.
        text: Description of the object.
        count: Number of candidates.
        index: Candidate to use; when null, the one with a complete object and the best agreement.
        images_per_batch: Candidates sampled together.
    """

    def __init__(self, run_folder: str, text: str, count: int, index: int | None, images_per_batch: int) -> None:
        super().__init__()
        if min(count, images_per_batch) < 1:
            raise ViewDistillError("data: count and images_per_batch must be at least 1")
        if index is not None and not 0 <= index < count:
            raise ViewDistillError(f"data: index is {index}; give 0 to {count - 1}")
        self.run_folder = RunFolder(Path(run_folder))
        self.text = text
        self.count, self.index, self.images_per_batch = count, index, images_per_batch

    def predict_dataloader(self) -> DataLoader[PictureBatch]:
        """Return all candidates in order."""
        batches = [
            PictureBatch(torch.tensor(indices), self.text) for indices in batches_of(self.count, self.images_per_batch)
        ]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
