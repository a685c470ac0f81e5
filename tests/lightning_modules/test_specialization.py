"""The specialisation on a tiny scale: real classes, a random prior, two sets of plain images."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from callbacks.lora_weights import LoraWeights
from callbacks.prompt_grid import PromptGrid
from callbacks.refined_views import RefinedViewsWriter
from datamodules.dreambooth import DreamBooth
from datamodules.posed_views import ViewCamera, load_views, save_cameras, save_view
from datamodules.prompts import Prompts
from datamodules.rendered_views import FieldRenders
from datamodules.runs.run_folder import RunFolder
from lightning_modules.specialization import Specialization
from tests.dreambooth_stages import finish_class_images, finish_novel_views
from viewdistill.diffusion.lora import lora_weights
from viewdistill.diffusion.refinement import RefinementSettings, refine
from viewdistill.errors import ViewDistillError


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Sums are then made in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(run_folder: RunFolder, tmp_path: Path) -> RunFolder:
    finish_novel_views(run_folder)
    finish_class_images(run_folder, tmp_path / "cache")
    return run_folder


@pytest.fixture
def prior(tiny_prior_folder: Path) -> str:
    return str(tiny_prior_folder / "stable-diffusion")


def module(prior: str, **settings: Any) -> Specialization:
    return Specialization(prior, "fp32", rank=2, learning_rate=1e-2, **settings)


def trainer(folder: RunFolder, stage: str, steps: int, *callbacks: pl.Callback) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
        default_root_dir=folder.stage(stage),
        callbacks=list(callbacks),
    )


def fit(
    model: Specialization,
    folder: RunFolder,
    steps: int,
    *callbacks: pl.Callback,
    stage: int = 1,
    identifier: str = "vvv",
    resume: Path | None = None,
) -> pl.Trainer:
    data = DreamBooth(str(folder.root), stage, identifier, 2, 2, image_size=16)  # type: ignore[arg-type]
    run = trainer(folder, f"specialize_{stage}", steps, *callbacks)
    run.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    return run


def weights(model: Specialization) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in lora_weights(model.prior.unet).items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_fit_lowers_the_error_on_its_own_images(folder: RunFolder, prior: str) -> None:
    model = module(prior)
    fit(model, folder, 30)

    def error() -> float:
        generator = torch.Generator().manual_seed(1)
        latents, text = model.instances.draw(torch.arange(3).repeat(8), generator)
        with torch.no_grad():
            return float(model.denoising_error(latents, text, generator).mean())

    fitted = error()
    with torch.no_grad():
        for name, weight in lora_weights(model.prior.unet).items():
            weight.mul_("lora_A" in name)
    assert fitted < 0.95 * error()


def test_a_resumed_fit_repeats_an_undisturbed_one_bit_by_bit(folder: RunFolder, prior: str, tmp_path: Path) -> None:
    undisturbed = module(prior)
    fit(undisturbed, folder, 6)
    first = module(prior)
    checkpoint = tmp_path / "last.ckpt"
    fit(first, folder, 4).save_checkpoint(checkpoint)
    torch.rand(5)  # the global random state is not what decides
    resumed = module(prior)
    assert fit(resumed, folder, 6, resume=checkpoint).global_step == 6
    assert same(weights(resumed), weights(undisturbed))
    assert not same(weights(resumed), weights(first))


def test_checkpoints_hold_the_lora_alone(folder: RunFolder, prior: str, tmp_path: Path) -> None:
    model = module(prior)
    fit(model, folder, 1).save_checkpoint(tmp_path / "last.ckpt")
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    shapes = [weight.shape for weight in weights(model).values()]
    assert [weight.shape for weight in stored["state_dict"].values()] == shapes
    optimized = stored["optimizer_states"][0]["param_groups"][0]["params"]
    assert len(optimized) == len(weights(model))


def test_stage_2_goes_on_with_the_lora_of_stage_1(folder: RunFolder, prior: str) -> None:
    first = module(prior)
    fit(first, folder, 3, LoraWeights(), PromptGrid(samples=2, steps=2))
    assert Prompts.load(folder.prompts("specialize_1")) == Prompts("a {}", "mug", "vvv")

    second = module(prior, initial_lora=str(folder.lora("specialize_1")))
    second.configure_model()
    assert same(weights(second), weights(first))
    fit(second, folder, 3, LoraWeights(), PromptGrid(samples=2, steps=2), stage=2, identifier="sss")
    assert not same(weights(second), weights(first))
    assert Prompts.load(folder.prompts("specialize_2")).of_input == "a sss vvv mug"
    for stage in ("specialize_1", "specialize_2"):
        files = {path.name for path in folder.stage(stage).iterdir() if not path.name.startswith(".")}  # kept digests
        assert files == {"pytorch_lora_weights.safetensors", "prompts.json", "samples.png"}


def test_samples_of_prompts_share_their_noise(prior: str) -> None:
    model = module(prior)
    model.configure_model()
    one, again = (model.sample("a mug", 2, 16, 2, 1.5) for _ in range(2))
    assert torch.equal(one, again)
    assert torch.allclose(model.sample("a mug", 1, 16, 2, 1.5)[0], one[0], atol=1e-5)
    assert not torch.equal(model.sample("a teal table", 2, 16, 2, 1.5), one)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_images_are_encoded_noised_and_sampled_at_their_own_size(folder: RunFolder, prior: str, size: int) -> None:
    """A smaller ``image_size`` saves memory: nothing brings the images back to the size the prior was trained on."""
    model = module(prior)
    data = DreamBooth(str(folder.root), 1, "vvv", 1, 1, image_size=size)
    trainer(folder, "specialize_1", 1).fit(model, datamodule=data)
    assert model.prior.image_size == 16
    assert model.instances.posterior.mean.shape == (3, 4, size // 4, size // 4)
    assert model.sample("a mug", 1, size, 2, 1.5).shape == (1, 3, size, size)
    refined = refine(
        model.prior,
        torch.rand(1, 3, size, size),
        model.prior.encode_text(["a mug"]),
        torch.randn(1, *model.prior.latent_shape_of(size)),
        RefinementSettings(timestep=400, steps=5),
    )
    assert refined.shape == (1, 3, size, size)


def test_activations_shrink_with_the_size(folder: RunFolder, prior: str) -> None:
    """What autograd keeps of one denoising error, bytes: in proportion to the area of the images, weights left out."""
    kept = {}
    for size in (16, 32):
        model = module(prior)
        data = DreamBooth(str(folder.root), 1, "vvv", 1, 1, image_size=size)
        trainer(folder, "specialize_1", 1).fit(model, datamodule=data)
        own = {weight.data_ptr() for weight in model.prior.parameters()}
        saved: dict[int, int] = {}

        def keep(tensor: torch.Tensor, own: set[int] = own, saved: dict[int, int] = saved) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        latents, text = model.instances.draw(torch.arange(1), torch.Generator().manual_seed(0))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            error = model.denoising_error(latents, text, torch.Generator().manual_seed(0))
        kept[size] = sum(saved.values())
        del error
    assert 3 < kept[32] / kept[16] < 6  # attention grows with the square of the area


def test_a_size_that_the_networks_cannot_halve_is_refused(folder: RunFolder, prior: str) -> None:
    data = DreamBooth(str(folder.root), 1, "vvv", 1, 1, image_size=12)
    with pytest.raises(ViewDistillError, match="12 pixels do not fit this prior; give a multiple of 8, best 16"):
        trainer(folder, "specialize_1", 1).fit(module(prior), datamodule=data)


def test_the_loss_is_one_mean_over_both_halves(folder: RunFolder, prior: str) -> None:
    model = module(prior, negative_weight=0.5)
    data = DreamBooth(str(folder.root), 1, "vvv", 1, 3, image_size=16)
    run = trainer(folder, "specialize_1", 1)
    run.fit(model, datamodule=data)
    logged = {name: float(value) for name, value in run.callback_metrics.items()}
    expected = (logged["loss/instance"] + 0.5 * 3 * logged["loss/negative"]) / 4
    assert logged["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def rendered(folder: RunFolder, prior: str) -> RunFolder:
    """Both fits and three renders behind it."""
    fit(module(prior), folder, 1, LoraWeights())
    lora = str(folder.lora("specialize_1"))
    fit(module(prior, initial_lora=lora), folder, 1, LoraWeights(), stage=2, identifier="sss")
    rgba = torch.randint(0, 255, (3, 16, 16, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    for index in range(3):
        save_view(folder.raw_views, index, rgba[index])
    save_cameras(folder.raw_views, [ViewCamera(10.0 * index, 5.0) for index in range(3)])
    return folder


def predict(folder: RunFolder, prior: str, views_per_batch: int, timestep: int) -> torch.Tensor:
    refinement = RefinementSettings(timestep=timestep, steps=5, guidance_scale=2.0)
    model = module(prior, initial_lora=str(folder.lora("specialize_2")), refinement=refinement)
    data = FieldRenders(str(folder.root), image_size=16, views_per_batch=views_per_batch)
    run = trainer(folder, "views", 1, RefinedViewsWriter())
    run.predict(model, datamodule=data, return_predictions=False)
    return load_views(folder.refined_views).rgba


def test_prediction_writes_refined_views_with_the_cameras_and_opacity_of_the_renders(
    rendered: RunFolder, prior: str
) -> None:
    # Left by an earlier run with more cameras.
    save_view(rendered.refined_views, 7, torch.zeros(16, 16, 4, dtype=torch.uint8).numpy())
    refined = predict(rendered, prior, 2, 400)
    renders, views = load_views(rendered.raw_views), load_views(rendered.refined_views)
    assert views.cameras == renders.cameras
    assert torch.equal(refined[:, 3], renders.rgba[:, 3])
    assert not torch.allclose(refined[:, :3], renders.rgba[:, :3], atol=0.1)
    names = {path.name for path in rendered.refined_views.glob("*.*")}
    assert names == {"000.png", "001.png", "002.png", "before_after.png", "cameras.json"}
    # The noise of a view does not depend on the batch that it is in; 8-bit files hide the order of sums.
    assert torch.allclose(predict(rendered, prior, 3, 400), refined, atol=1.5 / 255)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timestep": 1000}, "refinement: timestep is 1000; give 0 to 999"),
        ({"steps": 0}, "sampling: steps is 0; give 1 to 1000"),
    ],
)
def test_senseless_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ViewDistillError, match=message):
        Specialization(refinement=RefinementSettings(**wrong))


def test_a_missing_lora_says_so(prior: str, tmp_path: Path) -> None:
    with pytest.raises(ViewDistillError, match="no such file"):
        module(prior, initial_lora=str(tmp_path / "lora.safetensors")).configure_model()
