"""Export of training checkpoints as prior folders for stock diffusers and transformers classes.

A checkpoint's ``state_dict`` holds the moving average of the weights (through `EMAWeightAveraging`), so that a folder
can be written at any time, even during training.
"""

import shutil
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from pytorch_lightning import LightningModule

from lightning_modules.checkpoints import read_checkpoint
from lightning_modules.priors.autoencoder import Autoencoder
from lightning_modules.priors.lifting import Lifting
from lightning_modules.priors.text_to_image import TextToImage
from lightning_modules.priors.trained_prior import TRAINING_FILE
from lightning_modules.priors.view_synthesis import ViewSynthesis
from viewdistill.diffusion.model_index import write_text_index, write_view_index
from viewdistill.errors import ViewDistillError
from viewdistill.files import write_json
from viewdistill.objects.backgrounds import composite
from viewdistill.objects.dataset import load
from viewdistill.schema import in_few_words

TRAINED = "`viewdistill train`"
"""What writes checkpoints, for messages."""

Module = TypeVar("Module", bound=LightningModule)

SCALING_IMAGES = 512
"""Number of images for measuring the latents' deviation and thus the scaling factor."""


def trained(kind: type[Module], checkpoint: Path) -> Module:
    """A trained module from its checkpoint.

    Raises:
        ViewDistillError: The checkpoint is missing, damaged, or of another module.
    """
    read_checkpoint(checkpoint, TRAINED)  # what holds more than plain data is refused before anything unpickles it
    try:
        return kind.load_from_checkpoint(checkpoint, map_location="cpu")
    except (TypeError, ValueError, RuntimeError, LookupError) as error:
        problem = f"not a checkpoint of {kind.__name__} ({in_few_words(error)})"
        raise ViewDistillError(f"{checkpoint}: {problem}; delete it and run {TRAINED}") from error


def export_autoencoder(checkpoint: Path, objects: Path, folder: Path) -> None:
    """Write ``folder`` (a ``vae`` component) with the scaling factor measured on rendered objects.

    Args:
        checkpoint: Checkpoint of `Autoencoder`.
        objects: Folder of the rendered sets; the first plain objects are used.
        folder: Folder of the component.
    """
    module = trained(Autoencoder, checkpoint).eval()
    shards = sorted(path.parent for path in objects.glob("plain-*/captions.json"))
    if not shards:
        raise ViewDistillError(f"{objects}: no rendered objects; run `viewdistill train autoencoder`")
    rgba = load(shards[0]).rgba
    rows = np.linspace(0, len(rgba) - 1, SCALING_IMAGES).astype(int)
    white = np.ones((*rgba.shape[2:4], 3), np.float32)
    images = torch.from_numpy(np.stack([composite(rgba[row, 0], white) for row in rows])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        latents = module.vae.encode(images * 2 - 1).latent_dist.sample()
    module.save_pretrained(folder, float(latents.std()))
    describe_training(checkpoint, folder)


def export_text_to_image(checkpoint: Path, vae: Path, folder: Path) -> None:
    """Write a Stable-Diffusion folder: the checkpoint's components and a copy of the autoencoder."""
    trained(TextToImage, checkpoint).save_pretrained(folder)
    shutil.copytree(vae, folder / "vae", dirs_exist_ok=True)
    write_text_index(folder)
    describe_training(checkpoint, folder)


def export_lifting(checkpoint: Path, folder: Path) -> None:
    """Write ``folder``, a ``lifting`` component."""
    trained(Lifting, checkpoint).save_pretrained(folder)
    describe_training(checkpoint, folder)


def export_view_synthesis(checkpoint: Path, vae: Path, lifting: Path, folder: Path) -> None:
    """Write a Zero-1-to-3 folder: the checkpoint's components, and copies of the autoencoder and the lifting."""
    trained(ViewSynthesis, checkpoint).save_pretrained(folder)
    shutil.copytree(vae, folder / "vae", dirs_exist_ok=True)
    shutil.copytree(lifting, folder / "lifting", dirs_exist_ok=True)
    write_view_index(folder)
    describe_training(checkpoint, folder)


def describe_training(checkpoint: Path, folder: Path) -> None:
    """Write what the checkpoint counted of its training beside the weights, for the model card."""
    write_json(folder / TRAINING_FILE, read_checkpoint(checkpoint, TRAINED).get("training", {}))
