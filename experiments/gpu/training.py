"""The priors' training on a GPU for a minute, as a part of `experiments.gpu.check`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from datamodules.objects.object_sets import ObjectSets
from datamodules.objects.rendered_objects import ObjectImages
from experiments.gpu.commands import viewdistill
from experiments.gpu.part_figures import PartFigures
from viewdistill.resources import REPOSITORY

VIEW_PRIOR = REPOSITORY / "priors" / "nano" / "zero123"


def training(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """Half a minute of each prior's training with its preset for a GPU, on a few objects: samples per second."""
    sets = training_sets(str(out / "objects"), dry_run)
    ObjectImages(sets).prepare_data()
    settings: dict[str, object] = {
        "trainer.logger": "false",
        "trainer.callbacks": "null",
        "data.vae": VIEW_PRIOR / "vae",
    }
    settings |= {f"data.sets.{name}": value for name, value in asdict(sets).items()}
    if dry_run:
        settings |= {"trainer.accelerator": "cpu", "trainer.precision": "32-true", "data.render_workers": 0}
        settings |= {"data.batches.size": 2, "data.batches.validation": 1}
    starts: dict[str, dict[str, object]] = {
        "text-to-image": {"model.tokenizer_folder": Path(sets.folder) / "tokenizer"},
        # Of the shape of the 2D prior's, which a bundle leaves out; what it has learned does not change the rate.
        "view-synthesis": {
            "model.initial_unet": VIEW_PRIOR / "unet",
            "model.vae": VIEW_PRIOR / "vae",
            "model.lifting": VIEW_PRIOR / "lifting",
        },
    }
    for model, start in starts.items():
        preset = REPOSITORY / "configs" / "presets" / "gpu" / f"{model.replace('-', '_')}.yaml"
        given = [f"--{name}={value}" for name, value in (settings | start).items()]
        folder, minutes = out / model, 0.001 if dry_run else 0.5
        viewdistill("train", model, f"--out={folder}", f"--config={preset}", f"--minutes={minutes}", *given)
        counts = torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)["training"]
        figures.add(**{model: counts | {"samples per second": counts["samples"] / max(counts["seconds"], 1)}})


def training_sets(folder: str, dry_run: bool) -> ObjectSets:
    """As few objects as show the rate: they are rendered first."""
    if dry_run:
        return ObjectSets(folder, 2, 2, 2, objects_per_shard=2, views_per_object=4, held_out=2)
    return ObjectSets(folder, 200, 200, 200, objects_per_shard=50, held_out=8)
