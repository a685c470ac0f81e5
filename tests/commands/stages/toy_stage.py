"""A stage of the smallest size, with randomness in its steps and a way to be interrupted."""

from pathlib import Path

import torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class ToyModel(LightningModule):
    """Fits four numbers to noise; while a file ``stop`` lies in the run folder, step 7 is interrupted."""

    def __init__(self, prior: str = "none", rate: float = 0.1) -> None:
        super().__init__()
        self.prior, self.rate = prior, rate
        self.weight = torch.nn.Parameter(torch.rand(4))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if self.global_step == 7 and (Path(self.trainer.default_root_dir).parent / "stop").exists():
            raise KeyboardInterrupt
        loss = (self.weight - torch.randn(4)).square().sum()
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.rate)


class ToyData(LightningDataModule):
    """Twenty batches that nobody looks at."""

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(TensorDataset(torch.zeros(20, 1)))
