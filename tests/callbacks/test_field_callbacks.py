"""The callbacks of the field stage, on real fits of a tiny field."""

from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint

from callbacks.finite_guard import FiniteGuard
from callbacks.predicted_views import PredictedViews
from callbacks.step_cost import StepCost
from callbacks.view_ring import ViewRing
from datamodules.cameras import CameraSampler
from datamodules.posed_views import load_views
from datamodules.run_folder import RunFolder
from lightning_modules.field_scores import GuidanceSettings
from lightning_modules.field_settings import FieldSettings, LossWeights
from lightning_modules.radiance_field import RadianceField
from viewdistill.errors import ViewDistillError
from viewdistill.fields.hash_grid import HashGridConfig


def module(**changes: Any) -> RadianceField:
    grid = HashGridConfig(n_levels=2, log2_hashmap_size=10, base_resolution=8, per_level_scale=2.0)
    sizes: dict[str, Any] = {"radius": 0.75, "hidden_width": 16, "occupancy_resolution": 16, "n_samples_per_ray": 32}
    field = FieldSettings(grid, **sizes, **changes)
    weights = LossWeights(color=500.0, mask=100.0)
    return RadianceField(field, GuidanceSettings(method="none"), weights, view_size=16, input_size=16, input_rays=64)


def trainer(folder: RunFolder, callbacks: list[pl.Callback], steps: int = 2, **settings: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder.stage("field"),
        callbacks=callbacks,
        **settings,
    )


def data(folder: RunFolder) -> CameraSampler:
    return CameraSampler(str(folder.root), views_per_step=1, ring_views=3, predict_views=2)


class Poison(pl.Callback):
    """Makes a weight NaN before a step, or its gradient."""

    def __init__(self, step: int, gradient: bool) -> None:
        self.step, self.gradient = step, gradient

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if trainer.global_step == self.step and not self.gradient:
            with torch.no_grad():
                pl_module.renderer.field.color_network.weights[0].fill_(float("nan"))

    def on_after_backward(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.global_step == self.step and self.gradient:
            pl_module.renderer.field.grid.params.grad[7] = float("inf")


@pytest.mark.parametrize(("gradient", "what"), [(False, "loss is nan"), (True, "gradient of renderer.field.grid")])
def test_guard_stops_at_the_step_where_it_happens(run_folder: RunFolder, gradient: bool, what: str) -> None:
    model = module()
    fit = trainer(run_folder, [Poison(3, gradient), FiniteGuard()], steps=10, limit_val_batches=0)
    with pytest.raises(ViewDistillError, match=rf"step 3: the {what}.*none yet.*encoding_lr"):
        fit.fit(model, datamodule=data(run_folder))
    if gradient:  # caught before it reached a weight
        assert all(torch.isfinite(p).all() for p in model.parameters())


def test_guard_names_the_last_checkpoint(run_folder: RunFolder) -> None:
    fit = trainer(run_folder, [Poison(3, False), FiniteGuard()], steps=10, limit_val_batches=0)
    saver = ModelCheckpoint(run_folder.stage("field"), filename="last", every_n_train_steps=2)
    fit.callbacks.append(saver)  # type: ignore[attr-defined]
    with pytest.raises(ViewDistillError, match=r"last\.ckpt"):
        fit.fit(module(), datamodule=data(run_folder))


def test_guard_stops_an_empty_field(run_folder: RunFolder) -> None:
    empty = module(blob_scale=-20.0, blob_radius=10.0)
    with pytest.raises(ViewDistillError, match="empty for 3 steps"):
        trainer(run_folder, [FiniteGuard(empty_steps=3)], steps=10, limit_val_batches=0).fit(
            empty, datamodule=data(run_folder)
        )


def test_guard_lets_a_sound_fit_pass(run_folder: RunFolder) -> None:
    fit = trainer(run_folder, [FiniteGuard(empty_steps=1), StepCost()], steps=4, limit_val_batches=0)
    fit.fit(module(), datamodule=data(run_folder))
    assert fit.global_step == 4
    assert fit.callback_metrics["cost/step_seconds"] > 0
    assert fit.callback_metrics["cost/peak_memory_mb"] > 50


def test_ring_is_drawn_beside_the_input(run_folder: RunFolder) -> None:
    settings: dict[str, Any] = {"val_check_interval": 2, "check_val_every_n_epoch": None}
    trainer(run_folder, [ViewRing(keep=2)], steps=6, **settings).fit(module(), datamodule=data(run_folder))
    pictures = sorted((run_folder.stage("field") / "views").iterdir())
    assert [picture.name for picture in pictures] == ["step_000004.png", "step_000006.png"]
    picture = np.asarray(Image.open(pictures[-1]))
    assert picture.shape == (2 * 16, 4 * 16, 3)
    assert picture[6, 8, 0] > 180  # the input's red upper half
    assert picture[6, 8, 1] < 60
    assert (picture[16, 0] == 0).all()  # no opacity in the corner of its mask
    assert (picture[24, 8] == 255).all()


def test_predicted_views_are_written_with_their_poses(run_folder: RunFolder) -> None:
    model = module()
    fit = trainer(run_folder, [PredictedViews()], steps=2, limit_val_batches=0)
    fit.fit(model, datamodule=data(run_folder))
    fit.predict(model, datamodule=data(run_folder), return_predictions=False)
    folder = run_folder.stage("field") / "renders"
    views = load_views(folder)
    assert [camera.azimuth_deg for camera in views.cameras] == [0, 180]
    assert views.cameras[1].elevation_deg == pytest.approx(20)
    assert views.cameras[1].distance == pytest.approx(1.5)
    assert views.rgba.shape == (2, 4, 16, 16)
    assert views.rgba[0, 3, 8, 8] > 0.8  # the ball
    assert views.rgba[0, 3, 0, 0] < 0.12
