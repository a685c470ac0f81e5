"""Results of a specialisation stage for later stages and other programs."""

from pathlib import Path

from pytorch_lightning import Callback, Trainer

from callbacks.atomic_checkpoint import ADVICE
from callbacks.finite_guard import stop
from datamodules.dreambooth import DreamBooth
from lightning_modules.specialization import Specialization
from viewdistill.diffusion.lora import save_lora
from viewdistill.files import sealed_path
from viewdistill.finite import non_finite


class LoraWeights(Callback):
    """Writes the LoRA in diffusers' layout, and its training prompts."""

    def on_fit_end(self, trainer: Trainer, pl_module: Specialization) -> None:  # type: ignore[override]
        """Write both, even if a resumed fit has nothing left to do.

        Raises:
            ViewDistillError: A weight is not finite.
        """
        data: DreamBooth = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero:
            return
        trained = {name: weight for name, weight in pl_module.named_parameters() if weight.requires_grad}
        if name := non_finite(trained):
            stop(trainer, f"{name} is not finite", ADVICE)
        stage = "specialize_1" if data.stage == 1 else "specialize_2"
        with sealed_path(data.run_folder.lora(stage)) as partial:
            save_lora(pl_module.prior.unet, Path(partial))
        data.prompts.save(data.run_folder.prompts(stage))
