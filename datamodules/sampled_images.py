"""Images sampled from a prior, one file each, in resumable batches."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader

from viewdistill.errors import ViewDistillError


@runtime_checkable
class SampledBatch(Protocol):
    """Common interface of batches of images to sample."""

    @property
    def indices(self) -> Int[Tensor, " images"]:
        """Indices of the stage's images; they seed the noise."""
        ...


class SampledImages(pl.LightningDataModule):
    """Requests for missing images.

    A batch with a missing image is requested completely, in its original composition: the last bits of an image depend
    on its neighbours in the batch.

    Args:
        count: Total number of images.
        images_per_batch: Images sampled together.
    """

    def __init__(self, count: int, images_per_batch: int) -> None:
        super().__init__()
        if min(count, images_per_batch) < 1:
            raise ViewDistillError("data: count and images_per_batch must be at least 1")
        self.count, self.images_per_batch = count, images_per_batch
        self.missing: frozenset[int] = frozenset()
        """Indices of the images missing at `setup`."""

    @property
    @abstractmethod
    def paths(self) -> Sequence[Path]:
        """Files of all images."""

    @abstractmethod
    def batch(self, indices: list[int]) -> Any:
        """Return the request for some of the images, a `SampledBatch`."""

    def setup(self, stage: str) -> None:
        """Find missing images."""
        self.missing = frozenset(index for index, path in enumerate(self.paths) if not path.is_file())

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return batches with a missing image, in order."""
        batches = batches_of(self.count, self.images_per_batch)
        wanted = [self.batch(indices) for indices in batches if not self.missing.isdisjoint(indices)]
        return DataLoader(wanted, batch_size=None)  # type: ignore[arg-type]


def batches_of(count: int, size: int) -> list[list[int]]:
    """Return indices 0 to ``count`` − 1 in batches of ``size``; the last may be smaller."""
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]
