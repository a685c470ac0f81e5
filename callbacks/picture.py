"""Choice of one of several pictures of a text as an object's input image."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.picture import PictureBatch, PictureText
from datamodules.runs.run_folder import write_json
from lightning_modules.picture import Candidate, choose
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.contact_sheet import grid
from viewdistill.pictures import write_picture


class PictureWriter(Callback):
    """Writes ``candidates.png``, the words as ``picture.json`` and, last, the chosen ``picture.png``."""

    def __init__(self) -> None:
        self.candidates: list[Candidate] = []
        self.figures: dict[str, Any] = {}
        """Figures of the choice, for the stage's record."""

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start without candidates.

        Raises:
            ViewDistillError: Several processes share the candidates, so that none can compare them all.
        """
        if trainer.world_size > 1:
            raise ViewDistillError("pictures are compared in one process; set trainer.devices to 1")
        self.candidates = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: list[Candidate],  # type: ignore[override]
        batch: PictureBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the candidates of one batch."""
        self.candidates += outputs

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose and write.

        Raises:
            ViewDistillError: No candidate shows a complete object, and no index is given.
        """
        data: PictureText = trainer.datamodule  # type: ignore[attr-defined]
        folder, candidates = data.run_folder, self.candidates
        chosen = choose(candidates, data.text) if data.index is None else data.index
        over_white = [candidate.rgba[..., :3] / 255.0 for candidate in candidates]
        write_picture(folder.candidates, grid([over_white], row_labels=(data.text,)))
        write_json(folder.picture.with_suffix(".json"), {"caption": data.text})
        write_picture(folder.picture, candidates[chosen].rgba)
        self.figures = {
            "text": data.text,
            "chosen": chosen,
            "agreement": [round(candidate.agreement, 6) for candidate in candidates],
            "whole": [candidate.whole for candidate in candidates],
        }
