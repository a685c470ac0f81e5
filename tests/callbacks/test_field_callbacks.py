"""The callbacks of the field stage, on real fits of a tiny field."""

from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.overrides import TorchFunctionMode

from callbacks.atomic_checkpoint import AtomicCheckpointIO
from callbacks.finite_guard import FiniteGuard
from callbacks.step_cost import StepCost
from callbacks.view_ring import ViewRing
from commands.stages.fitting import StageRun, build
from datamodules.cameras import CameraSampler
from datamodules.runs.run_folder import RunFolder
from lightning_modules.field_settings import FieldSettings, LossWeights
from lightning_modules.guidance_settings import GuidanceSettings
from lightning_modules.radiance_field import RadianceField, load_field
from viewdistill.errors import ViewDistillError
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.finite import non_finite
from viewdistill.resources import REPOSITORY


def module(**changes: Any) -> RadianceField:
    grid = HashGridConfig(n_levels=2, log2_hashmap_size=10, base_resolution=8, per_level_scale=2.0)
    sizes: dict[str, Any] = {"radius": 0.75, "hidden_width": 16, "occupancy_resolution": 16, "n_samples_per_ray": 32}
    field = FieldSettings(grid, **sizes, **changes)
    weights = LossWeights(sparsity=0.0, opaque=0.0)
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
    return CameraSampler(str(folder.root), views_per_step=1, ring_views=3)


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


class Spoil(pl.Callback):
    """Makes a part of the state infinite after the last step, when no loss or gradient will show it."""

    def __init__(self, part: str, step: int) -> None:
        self.part, self.step = part, step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            states = {
                "weight": pl_module.renderer.field.grid.params.data,
                "occupancy": pl_module.renderer.occupancy.occs,
            }
            states["optimiser"] = next(iter(trainer.optimizers[0].state.values()))["exp_avg_sq"]
            states[self.part][3] = float("inf")


@pytest.mark.parametrize("part", ["weight", "occupancy", "optimiser"])
def test_a_state_that_is_not_finite_is_never_saved(run_folder: RunFolder, part: str) -> None:
    folder = run_folder.stage("field")
    saver = ModelCheckpoint(folder, filename="last", every_n_train_steps=2, enable_version_counter=False)
    fit = trainer(run_folder, [Spoil(part, 4), FiniteGuard()], 5, limit_val_batches=0, plugins=[AtomicCheckpointIO()])
    fit.callbacks.append(saver)  # type: ignore[attr-defined]
    with pytest.raises(ViewDistillError, match=r"step 4: .* is not finite, so nothing was saved; .*last\.ckpt"):
        fit.fit(module(), datamodule=data(run_folder))
    kept = torch.load(folder / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 2
    assert non_finite([kept["state_dict"], kept["optimizer_states"]]) is None


def test_a_checkpoint_that_is_not_finite_is_refused(run_folder: RunFolder) -> None:
    model, path = module(), run_folder.field_checkpoint
    path.parent.mkdir(exist_ok=True)
    state = model.state_dict()
    state["renderer.occupancy.occs"][5] = float("nan")
    torch.save({"state_dict": state, "hyper_parameters": dict(model.hparams), "global_step": 7}, path)
    with pytest.raises(ViewDistillError, match=r"last\.ckpt: .*occupancy\.occs is not finite; delete the file and run"):
        load_field(run_folder)
    with pytest.raises(ViewDistillError, match=r"occs is not finite; delete the file to start this stage again"):
        AtomicCheckpointIO().load_checkpoint(path)


def test_the_guard_reads_one_number_list_per_step(run_folder: RunFolder) -> None:
    reads: list[int] = []

    class Counted(FiniteGuard):
        def on_before_optimizer_step(self, *arguments: Any) -> None:
            with ReadsOfTensors() as counter:
                super().on_before_optimizer_step(*arguments)
            reads.append(counter.reads)

    trainer(run_folder, [Counted()], steps=2, limit_val_batches=0).fit(module(), datamodule=data(run_folder))
    assert reads == [1, 1]


class ReadsOfTensors(TorchFunctionMode):
    """Counts what makes a program wait for a GPU: values of tensors that become Python's."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        names = ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy", "nonzero")
        self.reads += getattr(func, "__name__", "") in names
        return func(*args, **(kwargs or {}))


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


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true"])
def test_a_precision_that_a_field_cannot_use_is_refused_in_one_line(run_folder: RunFolder, precision: str) -> None:
    stage = StageRun(run_folder.stage("field"), "field")
    settings = [f"--config={REPOSITORY / 'configs' / 'field.yaml'}", f"--data.run_folder={run_folder.root}"]
    with pytest.raises(
        ViewDistillError, match=f"trainer.precision is {precision}; choose 32-true, bf16-mixed, 16-mixed"
    ):
        build(stage, [*settings, f"--trainer.precision={precision}", "--trainer.logger=false"])


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
