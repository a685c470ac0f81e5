"""Writes the renders of a fitted field for later stages."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.posed_views import ViewCamera, save_cameras, save_view, straight_rgba
from viewdistill.cameras import spherical_from_c2w


class PredictedViews(Callback):
    """Writes predicted views as a folder of posed views (`datamodules.posed_views`).

    Args:
        folder: Where they go, within the trainer's ``default_root_dir``.
    """

    def __init__(self, folder: str = "renders") -> None:
        self.folder = folder
        self.cameras: list[ViewCamera] = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the views of one batch."""
        folder = Path(trainer.default_root_dir) / self.folder
        distances = spherical_from_c2w(batch.c2w)[2]
        for i, image in enumerate(straight_rgba(outputs.rgb, outputs.opacity)):
            save_view(folder, len(self.cameras), image)
            angles = float(batch.azimuth[i]), float(batch.elevation[i])
            self.cameras.append(ViewCamera(*angles, float(distances[i]), batch.fovy))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the cameras."""
        save_cameras(Path(trainer.default_root_dir) / self.folder, self.cameras)
        self.cameras = []
