"""The training of the embedded priors: small real runs, exported and loaded by the stock classes."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPVisionModelWithProjection

from commands.main import main
from commands.stages.configuration import REPOSITORY
from datamodules.object_sets import PATTERNED_TEST, TEST, ObjectSets
from datamodules.object_store import ObjectStore
from datamodules.rendered_objects import Batches, CaptionedLatents, ObjectImages, SeededBatches, ViewGroups
from lightning_modules.autoencoder import Autoencoder
from lightning_modules.lifting import Lifting
from lightning_modules.prior_export import (
    export_autoencoder,
    export_lifting,
    export_text_to_image,
    export_view_synthesis,
)
from lightning_modules.text_to_image import TextToImage, copy_weights, nano_unet, sample_timesteps
from lightning_modules.trained_prior import TRAINING_FILE, save_component
from lightning_modules.view_synthesis import ViewSynthesis, widen_input
from viewdistill.diffusion.model_index import MODEL_INDEX
from viewdistill.diffusion.prior_files import weight_names
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.objects.dataset import load

SIZE = 16
WIDTHS = [16, 32]


BATCHES = Batches(size=4, validation=1)


def tiny_sets(folder: Path) -> ObjectSets:
    """A handful of tiny renders."""
    return ObjectSets(
        str(folder), plain=4, patterned=3, broad=4, objects_per_shard=2, views_per_object=4, image_size=SIZE, held_out=3
    )


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All rendered sets and the tokenizer."""
    folder = tmp_path_factory.mktemp("objects")
    data = ObjectImages(tiny_sets(folder), BATCHES)
    data.prepare_data()
    for shard in data.sets.shards():
        data.sets.render(shard)
    return folder


def fit(module: pl.LightningModule, data: pl.LightningDataModule, folder: Path, steps: int = 2) -> Path:
    """Train for a few steps with averaged weights, and return the checkpoint."""
    checkpoint = ModelCheckpoint(dirpath=folder, filename="last", every_n_train_steps=steps)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        val_check_interval=steps,
        callbacks=[checkpoint, EMAWeightAveraging(decay=0.5)],
    )
    trainer.fit(module, data)
    return folder / "last.ckpt"


@pytest.fixture(scope="module")
def trained(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four models trained for two steps and exported."""
    cache = tmp_path_factory.mktemp("trained")
    autoencoder = Autoencoder([8, 8, 8], image_size=SIZE, warmup_steps=1, total_steps=2)
    checkpoint = fit(autoencoder, ObjectImages(tiny_sets(objects), BATCHES), cache / "autoencoder")
    export_autoencoder(checkpoint, objects, cache / "vae")
    data = (str(cache / "vae"), tiny_sets(objects), BATCHES)
    lifting = Lifting(
        str(cache / "vae"), latent_size=4, channels=8, volume_widths=(8, 8, 8), encoder_blocks=1, volume_blocks=1,
        groups=4, bottleneck=(8, 1), picture_size=SIZE, total_steps=2,
    )  # fmt: skip
    groups = ViewGroups(*data, views=3, latent_views=2, with_reference=True, pictures=True)
    checkpoint = fit(lifting, groups, cache / "lift")
    export_lifting(checkpoint, cache / "lifting")
    text = TextToImage(str(objects / "tokenizer"), WIDTHS, latent_size=4, text_width=16, text_layers=1)
    checkpoint = fit(text, CaptionedLatents(*data), cache / "text")
    export_text_to_image(checkpoint, cache / "vae", cache / "nano" / "stable-diffusion")
    unet = str(cache / "nano" / "stable-diffusion" / "unet")
    folders = (str(cache / "lifting"), str(cache / "vae"))
    view = ViewSynthesis(unet, *folders, image_size=SIZE, vision_width=16, vision_layers=1, patch_size=8)
    checkpoint = fit(view, ViewGroups(*data, views=1), cache / "view")
    export_view_synthesis(checkpoint, cache / "vae", cache / "lifting", cache / "nano" / "zero123")
    return cache / "nano"


def test_stock_classes_load_what_was_trained(trained: Path) -> None:
    """Every component opens with `from_pretrained` alone, is stored in fp16 and predicts finite numbers."""
    for prior in ("stable-diffusion", "zero123"):
        assert AutoencoderKL.from_pretrained(trained / prior / "vae").config["scaling_factor"] > 0
        unet = UNet2DConditionModel.from_pretrained(trained / prior / "unet")
        stored = load_file(trained / prior / "unet" / "diffusion_pytorch_model.safetensors")
        assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
        lifted = 4 + 8 + 2  # mean latent, channels of the volume, opacity and relief
        assert unet.config["in_channels"] == (4 if prior == "stable-diffusion" else 8 + lifted)
        shipped = REPOSITORY / "priors" / "nano" / prior / MODEL_INDEX
        assert (trained / prior / MODEL_INDEX).read_text() == shipped.read_text()
    CLIPTextModel.from_pretrained(trained / "stable-diffusion" / "text_encoder")
    CLIPVisionModelWithProjection.from_pretrained(trained / "zero123" / "image_encoder")
    text = TextConditionedPrior.from_folder(trained / "stable-diffusion")
    view = ViewConditionedPrior.from_folder(trained / "zero123")
    noisy, t = torch.randn(2, 4, 4, 4), torch.tensor([10, 900])
    assert torch.isfinite(text.predict_noise(noisy, t, text.encode_text(["a red mug"]))).all()
    condition = view.condition(torch.rand(1, 3, SIZE, SIZE))
    assert condition.tokens.shape == (1, 1 + (SIZE // 8) ** 2, 16)
    assert torch.isfinite(view.predict_noise(noisy, t, condition, torch.zeros(2, 4))).all()


MODELS = ("autoencoder", "lifting", "text-to-image", "view-synthesis")


def tiny_settings(model: str, trained: Path, objects: Path) -> dict[str, Any]:
    """Settings that make a shipped training tiny."""
    settings: dict[str, Any] = {"trainer.devices": 1, "trainer.strategy": "auto", "trainer.logger": "false"}
    settings |= {f"data.sets.{name}": value for name, value in asdict(tiny_sets(objects)).items()}
    settings |= {f"data.batches.{name}": value for name, value in asdict(BATCHES).items()}
    settings["data.render_workers"] = 0
    if model != "autoencoder":
        settings["data.vae"] = trained / "zero123" / "vae"
    if model == "text-to-image":
        settings["model.tokenizer_folder"] = objects / "tokenizer"
    if model == "lifting":
        settings |= {"model.vae": trained / "zero123" / "vae", "model.latent_size": 4, "data.views": 3}
        settings["model.picture_size"] = SIZE
    if model == "view-synthesis":
        settings |= {"model.vae": trained / "zero123" / "vae", "model.image_size": SIZE, "data.views": 2}
        settings["model.lifting"] = trained / "zero123" / "lifting"
        settings["model.initial_unet"] = trained / "stable-diffusion" / "unet"
    return settings


@pytest.mark.parametrize("model", MODELS)
def test_shipped_configuration_trains(model: str, trained: Path, objects: Path, tmp_path: Path) -> None:
    """`viewdistill train` takes a step with the shipped YAML, over a few tiny objects, and leaves a checkpoint."""
    settings = tiny_settings(model, trained, objects) | {"trainer.max_steps": 1}
    options = [f"--{name}={value}" for name, value in settings.items()]
    assert main(["train", model, "--out", str(tmp_path), *options]) == 0
    assert (tmp_path / "last.ckpt").is_file()


@pytest.mark.parametrize("model", MODELS)
def test_the_preset_for_a_gpu_trains_by_the_clock(model: str, trained: Path, objects: Path, tmp_path: Path) -> None:
    """All of it but the device: tiny batches on the CPU, objects held in memory, a checkpoint that can be exported."""
    settings = tiny_settings(model, trained, objects)
    settings |= {"trainer.accelerator": "cpu", "trainer.precision": "32-true", "trainer.callbacks": "null"}
    options = [f"--{name}={value}" for name, value in settings.items()]
    preset = f"--config={REPOSITORY / 'configs/presets/gpu' / model.replace('-', '_')}.yaml"
    assert main(["train", model, "--out", str(tmp_path), preset, "--minutes=0.01", *options]) == 0
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert content["global_step"] >= 1
    assert content["training"]["samples"] % 4 == 0
    # What is not about size is as shipped: the clock ends it, and a minute is the most that can be lost.
    shipped = yaml.safe_load(Path(preset.removeprefix("--config=")).read_text())
    assert shipped["trainer"]["precision"] == "bf16-mixed"
    assert shipped["trainer"]["max_steps"] == -1
    assert shipped["trainer"]["callbacks"][1]["init_args"]["train_time_interval"] == "0:01:00"
    assert shipped["trainer"]["callbacks"][1]["init_args"]["dirpath"] == f".cache/priors/{model.replace('-', '_')}"


def test_the_presets_for_a_gpu_fit_into_twelve_minutes() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    minutes = {name: float(value) for name, value in re.findall(r"^minutes_(\w+) := ([\d.]+)$", makefile, re.MULTILINE)}
    assert minutes.keys() == {model.replace("-", "_") for model in MODELS}
    assert sum(minutes.values()) <= 12
    for name, value in minutes.items():
        first = (REPOSITORY / "configs/presets/gpu" / f"{name}.yaml").read_text().splitlines()[0]
        assert f"--minutes {value:g}`" in first


def test_minutes_must_be_positive() -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["train", "lifting", "--minutes=0"])
    assert refusal.value.code == 2


def test_tables_and_ends_of_the_text_conditioned_model_are_left_to_adamw(objects: Path) -> None:
    """Every parameter belongs to one group, and `Muon` takes kernels and matrices between features only."""
    module = TextToImage(str(objects / "tokenizer"), WIDTHS, latent_size=4, text_width=16, text_layers=1)
    muon, adamw = module.optimizer().param_groups
    taken, left = ({id(p) for p in group["params"]} for group in (muon, adamw))
    parameters = dict(module.named_parameters())
    assert muon["orthogonal"]
    assert not adamw["orthogonal"]
    assert not taken & left
    assert taken | left == {id(p) for p in parameters.values()}
    matrices = {name for name, p in parameters.items() if id(p) in left and p.ndim > 1}
    tables = {f"text_encoder.embeddings.{name}_embedding.weight" for name in ("token", "position")}
    assert matrices == tables | {"unet.conv_in.weight", "unet.conv_out.weight"}


def test_samples_are_counted(trained: Path) -> None:
    """Two steps of four samples, beside every exported model; of four inputs with three views for the lifting."""
    counts = json.loads((trained / "zero123" / "lifting" / TRAINING_FILE).read_text())
    assert (counts["steps"], counts["samples"]) == (2, 24)
    for folder in ("stable-diffusion", "stable-diffusion/vae", "zero123"):
        counts = json.loads((trained / folder / TRAINING_FILE).read_text())
        assert (counts["steps"], counts["samples"]) == (2, 8)


def test_weights_are_split_below_fifteen_megabytes_and_come_back(tmp_path: Path) -> None:
    """A UNet of the shipped size in two files that the loader takes; one file of an earlier export is gone."""
    torch.manual_seed(0)
    unet = nano_unet(4, [64, 128, 192], 16, 128)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"old")
    save_component(unet, tmp_path / "unet")
    files = sorted((tmp_path / "unet").glob("*.safetensors"))
    assert len(files) == 2
    assert max(file.stat().st_size for file in files) < 16_000_000
    assert "diffusion_pytorch_model.safetensors.index.json" in weight_names("unet", None)
    read = UNet2DConditionModel.from_pretrained(tmp_path / "unet")
    copy_weights(tmp_path, {"unet": nano_unet(4, [64, 128, 192], 16, 128)})
    assert all(torch.equal(p, q.half()) for p, q in zip(read.half().parameters(), unet.parameters(), strict=True))
    assert next(unet.parameters()).dtype is torch.float32


def test_scaling_factor_gives_latents_unit_deviation(trained: Path, objects: Path) -> None:
    """Scaled latents of training views have a standard deviation of about 1."""
    prior = TextConditionedPrior.from_folder(trained / "stable-diffusion")
    rgba = torch.from_numpy(np.array(load(objects / "plain-0000").rgba)).flatten(0, 1).permute(0, 3, 1, 2) / 255
    images = rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]
    latents = prior.encode_images(images, torch.Generator().manual_seed(0))
    assert float(latents.std()) == pytest.approx(1, abs=0.2)


def test_widened_network_is_the_same_function_at_first() -> None:
    """New input channels have no effect until they are trained."""
    torch.manual_seed(0)
    unet = nano_unet(4, WIDTHS, 4, 16).eval()
    noisy, extra, context = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4), torch.randn(1, 3, 16)
    with torch.no_grad():
        before = unet(noisy, 7, context).sample
        after = widen_input(unet, 8)(torch.cat([noisy, extra], 1), 7, context).sample
    torch.testing.assert_close(before, after)
    assert unet.config["in_channels"] == 8


def test_timesteps_cover_the_range_and_favour_noise() -> None:
    """The share from 400 on is emphasis + (1 - emphasis) * 0.6, and every tenth of the range is drawn from."""
    torch.manual_seed(0)
    t = sample_timesteps(20_000, 0.5, 400, torch.device("cpu"))
    assert t.min() >= 0
    assert t.max() == 999
    assert float((t >= 400).float().mean()) == pytest.approx(0.8, abs=0.01)
    assert (torch.histc(t.float(), 10, 0, 1000) > 500).all()


def test_batches_are_a_function_of_seed_and_index() -> None:
    """A stream begun at batch 3 gives what the whole stream gives from there on."""
    draws = [float(x) for x in SeededBatches(lambda rng: rng.random(), 5, 0, 6)]
    rest = [float(x) for x in SeededBatches(lambda rng: rng.random(), 5, 3, 3)]
    assert draws[3:] == rest
    assert len(set(draws)) == 6


def test_groups_are_views_of_one_object(trained: Path, objects: Path) -> None:
    """The pose of a wanted view leads there from the input; elevation and opacity are those of the renders."""
    data = ViewGroups(str(trained / "zero123" / "vae"), tiny_sets(objects), BATCHES, views=2, pictures=True)
    data.prepare_data()
    data.setup("fit")
    batch = data.draw(np.random.default_rng(3))
    found = [load(shard.folder) for shard in data.sets.shards(data.kinds)]
    rgba, cameras = (np.concatenate([getattr(part, name) for part in found]) for name in ("rgba", "cameras"))
    alpha = rgba[..., 3].astype(np.float32) / 255
    views = rgba.astype(np.float32).transpose(0, 1, 4, 2, 3) / 255
    views = views[:, :, :3] * views[:, :, 3:] + 1 - views[:, :, 3:]

    def find(image: torch.Tensor) -> tuple[int, int]:
        errors = np.abs(views - image.numpy()).max((2, 3, 4))
        assert errors.min() < 0.003
        item, view = np.unravel_index(errors.argmin(), errors.shape)
        return int(item), int(view)

    assert batch["pose"].shape == (4, 2, 4)
    for index, (image, elevation) in enumerate(zip(batch["image"], batch["elevation"], strict=True)):
        item, source = find(image)
        assert float(elevation) == pytest.approx(float(cameras[item, source, 1]))
        for number, pose in enumerate(batch["pose"][index]):
            row = 2 * index + number
            other, goal = find(batch["target_image"][row])
            assert item == other
            assert source != goal
            turn = np.deg2rad(cameras[item, goal, 0] - cameras[item, source, 0])
            climb = np.deg2rad(cameras[item, source, 1] - cameras[item, goal, 1])
            np.testing.assert_allclose(pose.numpy(), [climb, np.sin(turn), np.cos(turn), 0], atol=1e-5)
            np.testing.assert_allclose(batch["opacity"][row, 0].numpy(), alpha[item, goal], atol=1e-5)


def test_the_reference_may_be_wanted_itself(trained: Path, objects: Path) -> None:
    options: dict[str, Any] = {"views": 2, "latent_views": 1, "with_reference": True, "pictures": True}
    data = ViewGroups(str(trained / "zero123" / "vae"), tiny_sets(objects), BATCHES, **options)
    data.prepare_data()
    data.setup("fit")
    for batch in (data.draw(np.random.default_rng(3)), data.held_out_groups(data.held_out[1])[0]):
        references, views = batch["pose"].shape[:2]
        wanted = batch["target_image"].unflatten(0, (references, views))
        assert torch.equal(wanted[:, 0], batch["image"])
        torch.testing.assert_close(batch["pose"][:, 0], torch.tensor([0.0, 0, 1, 0]).expand(references, 4))
    assert len(data.draw(np.random.default_rng(3))["latents"]) == 4


def test_latents_are_those_of_the_autoencoder_and_are_kept(trained: Path, objects: Path) -> None:
    """The mode of a view is what the autoencoder gives for it, the second time from the file."""
    vae_folder = trained / "zero123" / "vae"
    store = ObjectStore(tiny_sets(objects), ("plain",), vae_folder)
    store.take_up()
    items, views = np.array([1, 3]), np.array([[2, 0], [1, 3]])
    pictures = store.pictures(items, views)[:, :, :3].flatten(0, 1) / 255
    vae: Any = AutoencoderKL.from_pretrained(vae_folder, torch_dtype=torch.float32)
    with torch.no_grad():
        expected = vae.encode(pictures * 2 - 1).latent_dist.mode().unflatten(0, (2, 2))
    for _ in range(2):
        torch.testing.assert_close(store.moments(items, views).chunk(2, 2)[0], expected, atol=0.03, rtol=0.01)
    again = ObjectStore(tiny_sets(objects), ("plain",), vae_folder)
    again.take_up()
    assert again.encoder is not None
    again.encoder.vae = None  # nothing can be encoded again
    torch.testing.assert_close(again.moments(items[:1], views[:1]), store.moments(items[:1], views[:1]))


def test_a_device_holds_what_a_cpu_reads_from_disk(trained: Path, objects: Path) -> None:
    """The same pictures, latents and cameras for the same numbers, of kinds with other numbers of views too."""
    sets, vae = tiny_sets(objects), trained / "zero123" / "vae"
    on_disk, held = (ObjectStore(sets, ("plain", "broad"), vae, in_memory=memory) for memory in (False, True))
    on_disk.take_up()
    held.take_up()
    items, views = on_disk.draw(np.random.default_rng(1), 6, 2)
    assert torch.equal(on_disk.pictures(items, views), held.pictures(items, views))
    torch.testing.assert_close(on_disk.moments(items, views), held.moments(items, views), atol=0.01, rtol=0.01)
    assert torch.equal(on_disk.cameras(items, views), held.cameras(items, views))


def test_objects_are_taken_up_as_they_are_rendered(objects: Path, tmp_path: Path) -> None:
    sets = ObjectSets(
        str(tmp_path), plain=4, patterned=2, broad=0, objects_per_shard=2, views_per_object=2, image_size=8
    )
    first, *rest = sets.shards(("plain", "patterned"))
    store = ObjectStore(sets, ("plain", "patterned"), None)
    sets.render(first)
    store.take_up()
    assert len(store) == 2
    for shard in rest:
        sets.render(shard)
    store.take_up()
    assert len(store) == 6
    assert len({store.captions[item] for item in range(6)}) > 3
    items, views = store.draw(np.random.default_rng(0), 50, 2)
    assert set(items) == set(range(6))
    assert (np.sort(views, 1) == [0, 1]).all()


def test_kinds_of_objects() -> None:
    """Light varies by view of broad objects only; no training seed is held out; kinds are rendered in turn."""
    sets = ObjectSets(plain=3000, patterned=3000, broad=2000)
    shards = sets.shards()
    assert {kind: sets.settings(kind).light_per_view for kind in ("plain", "patterned", "broad")} == {
        "plain": False, "patterned": False, "broad": True,
    }  # fmt: skip
    assert {shard.kind for shard in shards[:3]} == {"plain", "patterned", "broad"}
    seeds = [seed for shard in shards for seed in shard.seeds]
    assert len(seeds) == len(set(seeds)) == 8000
    held_out = {*range(10_000_000, 10_000_048), *range(30_000_000, 30_000_048)}
    assert not held_out & set(seeds)
    assert (TEST, PATTERNED_TEST) == ("test", "patterned-test")


def test_training_ends_by_the_clock(objects: Path, tmp_path: Path) -> None:
    """``minutes`` ends a training whose steps would go on, at the lowest rate, and leaves a checkpoint to export."""
    module = Autoencoder([8, 8, 8], image_size=SIZE, warmup_steps=1, minutes=0.02)
    path = fit(module, ObjectImages(tiny_sets(objects), BATCHES, render_workers=0), tmp_path, steps=100_000)
    assert 1.2 <= module.training_seconds < 10
    assert module.rate_factor(50) == pytest.approx(0.05)
    assert module.trainer.should_stop
    assert not path.exists()  # this one is written at the end of a run of the command


def test_training_goes_on_counting_from_shipped_weights(trained: Path, objects: Path, tmp_path: Path) -> None:
    """Two more steps of four samples after those beside the weights it starts from."""
    start = trained / "stable-diffusion"
    text = TextToImage(
        str(objects / "tokenizer"), WIDTHS, latent_size=4, text_width=16, text_layers=1, initial_folder=str(start)
    )
    checkpoint = fit(text, CaptionedLatents(str(start / "vae"), tiny_sets(objects), BATCHES), tmp_path)
    counts = torch.load(checkpoint, weights_only=True)["training"]
    assert (counts["steps"], counts["samples"]) == (4, 16)
