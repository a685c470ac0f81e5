"""Refined views for later stages, and a comparison with the renders for people."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from datamodules.posed_views import clear_views, save_cameras, save_view, straight_rgba
from datamodules.rendered_views import FieldRenders, RenderBatch
from lightning_modules.specialization import RefinedViews
from viewdistill.mesh.contact_sheet import grid
from viewdistill.pictures import to_pictures, write_picture


class RefinedViewsWriter(Callback):
    """Writes refined views as a folder of posed views, and a picture of before and after side by side.

    Args:
        columns: Views per row of the picture.
        file: Its name within the folder of views.
    """

    def __init__(self, columns: int = 9, file: str = "before_after.png") -> None:
        self.columns, self.file = columns, file
        self.before: list[Tensor] = []
        self.after: list[Tensor] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the views of an earlier run."""
        data: FieldRenders = trainer.datamodule  # type: ignore[attr-defined]
        clear_views(data.run_folder.refined_views)
        self.before, self.after = [], []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: RefinedViews,  # type: ignore[override]
        batch: RenderBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the views of one batch."""
        data: FieldRenders = trainer.datamodule  # type: ignore[attr-defined]
        for index, image in zip(batch.indices.tolist(), straight_rgba(outputs.rgb, outputs.opacity), strict=True):
            save_view(data.run_folder.refined_views, index, image)
        self.before.append(batch.images.cpu())
        self.after.append(outputs.rgb.movedim(-1, 1).cpu())

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the picture, then complete the folder."""
        data: FieldRenders = trainer.datamodule  # type: ignore[attr-defined]
        folder, cameras = data.run_folder.refined_views, data.views.cameras
        before, after = (to_pictures(torch.cat(parts)) for parts in (self.before, self.after))
        rows: list[Any] = []
        for start in range(0, len(cameras), self.columns):
            rows += [before[start : start + self.columns], after[start : start + self.columns]]
        write_picture(folder / self.file, grid(rows, ["before", "after"] * (len(rows) // 2)))
        save_cameras(folder, cameras)
