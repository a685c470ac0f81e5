"""Samples of all prompts beside the training images, to check what each prompt has learned."""

from pathlib import Path

from PIL import Image
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import WandbLogger

from datamodules.dreambooth import DreamBooth
from lightning_modules.specialization import Specialization
from viewdistill.mesh.contact_sheet import grid
from viewdistill.pictures import to_pictures, write_picture


class PromptGrid(Callback):
    """Draws samples of "a {class}", "a [V] {class}" and, in stage 2, "a [S] [V] {class}" at the end of a fit.

    Rows share their noise column by column. The first row shows instances.

    Args:
        samples: Of each prompt.
        steps: Of DPM++.
        guidance_scale: Of classifier-free guidance.
        file: Where the picture goes, within the trainer's ``default_root_dir``.
    """

    def __init__(
        self, samples: int = 6, steps: int = 15, guidance_scale: float = 3.0, file: str = "samples.png"
    ) -> None:
        self.samples, self.steps, self.guidance_scale = samples, steps, guidance_scale
        self.file = file

    def on_fit_end(self, trainer: Trainer, pl_module: Specialization) -> None:  # type: ignore[override]
        """Sample and draw."""
        data: DreamBooth = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero:
            return
        rows = {"instances": data.instances.images[: self.samples]}
        for prompt in data.prompts.known.values():
            rows[prompt] = pl_module.sample(
                prompt, self.samples, data.image_size, self.steps, self.guidance_scale
            ).cpu()
        picture = grid([to_pictures(images) for images in rows.values()], list(rows))
        write_picture(Path(trainer.default_root_dir) / self.file, picture)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("samples", [Image.fromarray(picture)])
