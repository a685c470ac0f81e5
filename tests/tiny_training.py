"""The training of priors on a tiny scale: a handful of renders, networks of a few channels."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint

from datamodules.objects.object_sets import ObjectSets
from datamodules.objects.rendered_objects import Batches

SIZE = 16
WIDTHS = [16, 32]
BATCHES = Batches(size=4, validation=1)


def tiny_sets(folder: Path) -> ObjectSets:
    """A handful of tiny renders."""
    return ObjectSets(
        str(folder), plain=4, patterned=3, broad=4, objects_per_shard=2, views_per_object=4, image_size=SIZE, held_out=3
    )


def fit(module: pl.LightningModule, data: pl.LightningDataModule, folder: Path, steps: int = 2) -> Path:
    """Train for a few steps with averaged weights, and return the checkpoint."""
    checkpoint = ModelCheckpoint(dirpath=folder, filename="last", every_n_train_steps=steps)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        val_check_interval=steps,
        callbacks=[checkpoint, EMAWeightAveraging(decay=0.5)],
    )
    trainer.fit(module, data)
    return folder / "last.ckpt"
