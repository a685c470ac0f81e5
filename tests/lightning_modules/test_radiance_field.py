"""The field stage on a tiny scale: real classes, a random prior, a synthetic input view."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from datamodules.cameras import CameraBatch, CameraSampler
from datamodules.runs.run_folder import RunFolder
from lightning_modules.field_settings import FieldSettings, LossWeights
from lightning_modules.guidance_settings import GuidanceSettings
from lightning_modules.radiance_field import RadianceField, load_field
from tests.tiny_field import EVERYTHING, INPUT_TERMS, fit, guidance, module
from viewdistill.cameras import look_at
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.timesteps import Annealed


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Sums are then made in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def input_error(model: RadianceField, folder: RunFolder) -> float:
    data = CameraSampler(str(folder.root))
    data.setup("fit")
    rgb, _ = data.input_view.resized(32)
    views = model.render_views(data.input_view.cameras.c2w, data.meta.fovy_deg, 32)
    return float(F.mse_loss(views.rgb, rgb.movedim(1, -1)))


def test_input_terms_alone_fit_the_input_view_and_load_no_prior(run_folder: RunFolder) -> None:
    settings = GuidanceSettings(method="none", view_prior="/nowhere", text_prior="/nowhere")
    model = module(settings, INPUT_TERMS)
    fit(model, run_folder, 120)
    assert model.bound is not None
    assert model.bound.predictors.view_prior is None
    assert model.bound.predictors.text_prior is None
    assert input_error(model, run_folder) < 0.02  # a white picture has 0.21, the initial ball 0.2


def test_a_resumed_fit_repeats_an_undisturbed_one_bit_by_bit(run_folder: RunFolder, tiny_prior_folder: Path) -> None:
    settings = guidance(tiny_prior_folder, "usd")
    undisturbed = module(settings, EVERYTHING)
    fit(undisturbed, run_folder, 24)

    first = module(settings, EVERYTHING)
    trainer = fit(first, run_folder, 17, total=24)
    checkpoint = run_folder.field_checkpoint
    trainer.save_checkpoint(checkpoint)
    torch.rand(5)  # the global random state is not what decides
    resumed = module(settings, EVERYTHING)
    with torch.no_grad():
        resumed.density_field.grid.params.zero_()
    trainer = fit(resumed, run_folder, 24, total=24, resume=checkpoint)
    assert trainer.global_step == 24
    for name, value in undisturbed.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_checkpoints_hold_the_field_and_no_prior(run_folder: RunFolder, tiny_prior_folder: Path) -> None:
    model = module(guidance(tiny_prior_folder, "sds"), EVERYTHING)
    trainer = fit(model, run_folder, 2)
    trainer.save_checkpoint(run_folder.field_checkpoint)
    stored = torch.load(run_folder.field_checkpoint, weights_only=True)
    assert {name.split(".")[0] for name in stored["state_dict"]} == {"renderer"}

    loaded = load_field(run_folder)
    points = torch.rand(50, 3) - 0.5
    model.eval()
    assert torch.equal(loaded.density(points), model.density(points))
    assert torch.equal(loaded.color(points), model.color(points))
    assert torch.equal(loaded.occupied(points), model.occupied(points))
    assert bool(loaded.occupied(points).any())
    assert loaded.radius == 0.75
    views = loaded.render_views(look_at(torch.zeros(1), torch.zeros(1), torch.full((1,), 1.5)), 49.0, 8)
    assert views.rgb.shape == (1, 8, 8, 3)
    assert views.opacity.shape == (1, 8, 8)
    assert views.opacity.max() > 0.9  # the initial ball


@pytest.fixture
def checkpoint(run_folder: RunFolder) -> dict[str, Any]:
    """A sound checkpoint of a field, on disk and as what it holds."""
    model = module(GuidanceSettings(method="none"), INPUT_TERMS)
    trainer = fit(model, run_folder, 1)
    trainer.save_checkpoint(run_folder.field_checkpoint)
    return torch.load(run_folder.field_checkpoint, weights_only=True)


@pytest.mark.parametrize("length", [0, 3, 40, 2_000, -30_000, -1])
def test_a_truncated_checkpoint_is_named(run_folder: RunFolder, checkpoint: dict[str, Any], length: int) -> None:
    path = run_folder.field_checkpoint
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ViewDistillError, match=r"last\.ckpt: damaged checkpoint"):
        load_field(run_folder)


def test_a_foreign_file_is_named(run_folder: RunFolder) -> None:
    path = run_folder.field_checkpoint
    path.mkdir(parents=True)
    for make, problem in (
        (lambda: None, "damaged"),  # a folder in its place
        (lambda: (path.rmdir(), path.write_text("not a checkpoint")), "damaged"),
        (lambda: torch.save(RunFolder(path), path), "damaged"),  # asks to be unpickled
        (lambda: torch.save([1, 2], path), "not a checkpoint"),
        (lambda: torch.save({"state_dict": {}}, path), "not a checkpoint"),
        (lambda: torch.save({"state_dict": {}, "hyper_parameters": {"layers": 3}}, path), "another version"),
        (lambda: torch.save({"state_dict": {}, "hyper_parameters": {"field": [3]}}, path), "another version"),
    ):
        make()
        with pytest.raises(ViewDistillError, match=problem) as caught:
            load_field(run_folder)
        assert f"viewdistill field {run_folder.root}" in str(caught.value)


@pytest.mark.parametrize("change", ["more settings", "fewer settings", "other grid", "other weights", "other sizes"])
def test_a_checkpoint_of_another_version_is_named(
    run_folder: RunFolder, checkpoint: dict[str, Any], change: str
) -> None:
    field, state = checkpoint["hyper_parameters"]["field"], checkpoint["state_dict"]
    if change == "more settings":
        field["gamma"] = 2.0
    elif change == "fewer settings":
        del field["blob_scale"]
    elif change == "other grid":
        field["grid"]["levels"] = field["grid"].pop("n_levels")
    elif change == "other weights":
        state["renderer.spare"] = torch.zeros(1)
    else:
        field["hidden_width"] = 32
    torch.save(checkpoint, run_folder.field_checkpoint)
    with pytest.raises(ViewDistillError, match="another version"):
        load_field(run_folder)


def test_an_error_of_the_programme_is_not_taken_for_a_damaged_checkpoint(
    run_folder: RunFolder, checkpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: FieldSettings) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(FieldSettings, "build", broken)
    with pytest.raises(TypeError, match="a bug"):
        load_field(run_folder)


def test_a_missing_checkpoint_says_which_stage_to_run(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="viewdistill field"):
        load_field(run_folder)


def test_weights_follow_their_schedule() -> None:
    weights = LossWeights(opaque=Annealed(0.0, 100.0, begin=0.6, end=0.7), sparsity=3.0)
    assert weights.at(0.6)["opaque"] == 0
    assert weights.at(0.65)["opaque"] == pytest.approx(50)
    assert weights.at(1.0)["opaque"] == 100
    assert weights.at(0.3)["sparsity"] == 3
    assert weights.ever("opaque")
    assert not weights.ever("z_variance")


def test_learning_rates_of_grid_and_networks(run_folder: RunFolder) -> None:
    model = module(GuidanceSettings(method="none"), INPUT_TERMS)
    trainer = fit(model, run_folder, 1)
    groups = {group["name"]: group for group in trainer.optimizers[0].param_groups}
    assert groups["encoding"]["lr"] == 1e-2
    assert groups["networks"]["lr"] == 1e-3
    trained = sum(p.numel() for group in groups.values() for p in group["params"])
    assert trained == sum(p.numel() for p in model.parameters())


def test_a_batch_moves_between_devices_as_a_batch() -> None:
    batch = CameraBatch(torch.eye(4)[None], torch.zeros(1, 4), torch.zeros(1), torch.zeros(1), 49.0)
    model = module(GuidanceSettings(method="none"), INPUT_TERMS)
    moved = model.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert isinstance(moved, CameraBatch)
    assert moved.c2w.device.type == "meta"
    assert moved.fovy == 49.0
