"""A field stage on a tiny scale: real classes, a random prior, a synthetic input view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from datamodules.cameras import CameraSampler
from datamodules.runs.run_folder import RunFolder
from lightning_modules.field_settings import FieldSettings, LossWeights, OptimizerSettings
from lightning_modules.guidance_settings import GuidanceSettings
from lightning_modules.radiance_field import RadianceField
from viewdistill.fields.hash_grid import HashGridConfig

GRID = HashGridConfig(n_levels=2, log2_hashmap_size=10, base_resolution=8, per_level_scale=2.0)
FIELD = FieldSettings(grid=GRID, radius=0.75, hidden_width=16, occupancy_resolution=16, n_samples_per_ray=48)
INPUT_TERMS = LossWeights(sparsity=0.0, opaque=0.0)
EVERYTHING = LossWeights(score=1.0, reference_score=1.0, color=500.0, mask=100.0, sparsity=1.0, opaque=1.0)


def guidance(prior: Path, method: Any) -> GuidanceSettings:
    return GuidanceSettings(
        method=method,
        view_prior=str(prior / "zero123"),
        text_prior=str(prior / "stable-diffusion"),
        precision="fp32",
    )


def module(settings: GuidanceSettings, weights: LossWeights) -> RadianceField:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RadianceField(
            FIELD, settings, weights, OptimizerSettings(factor=1.0), view_size=16, input_size=32, input_rays=256
        )


def fit(
    model: RadianceField,
    folder: RunFolder,
    steps: int,
    total: int | None = None,
    resume: Path | None = None,
    watchers: Sequence[pl.Callback] = (),
    logger: Any = False,
    log_every_n_steps: int = 50,
) -> pl.Trainer:
    """Fit to ``steps`` of ``total``, without files other than a checkpoint."""
    data = CameraSampler(str(folder.root), views_per_step=2, ring_views=2)
    trainer = short_trainer(
        folder.stage("field"), steps, total, watchers, logger=logger, log_every_n_steps=log_every_n_steps
    )
    trainer.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    return trainer


def short_trainer(
    root: Path, steps: int, total: int | None = None, watchers: Sequence[pl.Callback] = (), **options: Any
) -> pl.Trainer:
    """Return a trainer on the CPU that stops after ``steps`` of ``total``, silent and without files."""
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return pl.Trainer(
        accelerator="cpu",
        max_steps=total or steps,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=root,
        callbacks=[StopAt(steps), *watchers],
        **quiet | options,
    )


class StopAt(pl.Callback):
    """Stops before the schedule's end, as a kill would, but lets the test save."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step >= self.step
