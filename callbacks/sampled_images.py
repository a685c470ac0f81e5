"""Sampled images, written one by one, so that a stopped run loses one batch at most."""

import numpy as np
from jaxtyping import UInt8
from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.novel_views import NovelViewCameras
from datamodules.posed_views import save_cameras
from datamodules.sampled_images import SampledBatch, SampledImages
from viewdistill.pictures import write_picture


class SampledImagesWriter(Callback):
    """Writes missing images under their own names, immediately and atomically."""

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: UInt8[np.ndarray, "images height width channels"],  # type: ignore[override]
        batch: SampledBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the images of one batch."""
        data: SampledImages = trainer.datamodule  # type: ignore[attr-defined]
        indices = batch.indices.tolist()
        for index, image in zip(indices, outputs, strict=True):
            if index in data.missing:
                # Runs of several objects may write to one cache, so the temporary name is unique.
                write_picture(data.paths[index], image, shared=True)


class NovelViewsWriter(SampledImagesWriter):
    """Writes sampled views as a folder of posed views (`datamodules.posed_views`)."""

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the list of cameras, which completes the folder.

        Not in `on_predict_end`, which is not called if all views exist already.
        """
        data: NovelViewCameras = trainer.datamodule  # type: ignore[attr-defined]
        trainer.strategy.barrier()  # other processes may still write their last views
        if trainer.is_global_zero and all(path.is_file() for path in data.paths):
            save_cameras(data.folder, data.cameras)
