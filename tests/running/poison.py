"""What makes numbers blow up: a callback that spoils a fit, and priors with weights that are not finite."""

import shutil
from pathlib import Path

import pytorch_lightning as pl
import torch
from safetensors.torch import load_file, save_file


class Poison(pl.Callback):
    """Makes one number of the state NaN before a step.

    Args:
        step: The step.
        part: In the name of the parameter.
    """

    def __init__(self, step: int, part: str) -> None:
        self.step, self.part = step, part

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        if trainer.global_step == self.step:
            groups = trainer.optimizers[0].param_groups
            named = {id(value): name for name, value in pl_module.named_parameters()}
            for parameter in (parameter for group in groups for parameter in group["params"]):
                if self.part in named.get(id(parameter), "lora"):
                    parameter.data.view(-1)[:: max(1, parameter.numel() // 50)] = torch.nan
                    return
            raise AssertionError(f"no {self.part} among {list(named.values())}")


def spoiled_priors(priors: Path, folder: Path, share: float) -> Path:
    """Copy priors, and make a share of the weights of both UNets NaN.

    Args:
        priors: To copy.
        folder: Of the copy.
        share: Of the weights, spread at random.
    """
    shutil.copytree(priors, folder)
    for path in folder.glob("*/unet/*.safetensors"):
        weights = load_file(path)
        generator = torch.Generator().manual_seed(0)
        for name, weight in weights.items():
            weights[name] = torch.where(torch.rand(weight.shape, generator=generator) < share, torch.nan, weight)
        save_file(weights, path, {"format": "pt"})
    return folder
