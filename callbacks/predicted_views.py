"""Writes the renders of a fitted field for later stages."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.run_folder import atomic_path, write_json


class PredictedViews(Callback):
    """Writes predicted views as ``NNN.png`` (RGBA, straight alpha) and all their cameras as ``poses.json``, last.

    Args:
        folder: Where they go, within the trainer's ``default_root_dir``.
    """

    def __init__(self, folder: str = "renders") -> None:
        self.folder = folder
        self.poses: list[dict[str, Any]] = []

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
        opacity = outputs.opacity[..., None]
        # The renders are over white; what is behind a half-covered pixel is taken away again.
        rgb = ((outputs.rgb - (1 - opacity)) / opacity.clamp_min(1e-3)).clamp(0, 1) * (opacity > 0)
        images = (torch.cat([rgb, opacity], -1) * 255 + 0.5).to(torch.uint8).cpu().numpy()
        for i, image in enumerate(images):
            name = f"{len(self.poses):03d}.png"
            with atomic_path(folder / name) as partial:
                Image.fromarray(np.ascontiguousarray(image)).save(partial)
            self.poses.append(
                {
                    "file": name,
                    "azimuth_deg": float(batch.azimuth[i]),
                    "elevation_deg": float(batch.elevation[i]),
                    "fovy_deg": batch.fovy,
                    "c2w": batch.c2w[i].tolist(),
                }
            )

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the cameras."""
        write_json(Path(trainer.default_root_dir) / self.folder / "poses.json", self.poses)
        self.poses = []
