"""Pictures of a field during the fit."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger
from torch import Tensor

from datamodules.cameras import InputView
from viewdistill.pictures import to_bytes, write_picture


class ViewRing(Callback):
    """Saves the validation renders as one picture, colour above opacity, after the input image; logs it to W&B.

    Args:
        folder: Folder of the pictures within the trainer's ``default_root_dir``.
        keep: Number of latest pictures to keep on disk.
    """

    def __init__(self, folder: str = "views", keep: int = 20) -> None:
        self.folder = folder
        self.keep = keep

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the ring."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        view: InputView = trainer.datamodule.input_view  # type: ignore[attr-defined]
        picture = contact_sheet(outputs.rgb.cpu(), outputs.opacity.cpu(), view)
        folder = Path(trainer.default_root_dir) / self.folder
        write_picture(folder / f"step_{trainer.global_step:06d}.png", picture)
        for old in sorted(folder.glob("step_*.png"))[: -self.keep]:
            old.unlink()
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("views", [Image.fromarray(picture)], step=trainer.global_step)


def contact_sheet(
    rgb: Float[Tensor, "views size size 3"], opacity: Float[Tensor, "views size size"], view: InputView
) -> UInt8[np.ndarray, "height width 3"]:
    """Arrange image and mask of the input in the first column, colour and opacity of the views in the others."""
    size = rgb.shape[1]
    input_rgb, input_mask = view.resized(size)
    colors = torch.cat([input_rgb[0].movedim(0, -1)[None], rgb])
    masks = torch.cat([input_mask[:, 0], opacity])[..., None].expand(-1, -1, -1, 3)
    rows = [torch.cat(list(images), 1) for images in (colors, masks)]
    return to_bytes(torch.cat(rows))
