"""The training of the embedded priors: small real runs, exported and loaded by the stock classes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPVisionModelWithProjection

from lightning_modules.priors.text_to_image import TextToImage, copy_weights, nano_unet, sample_timesteps
from lightning_modules.priors.trained_prior import TRAINING_FILE, save_component
from lightning_modules.priors.view_synthesis import widen_input
from tests.tiny_training import SIZE, WIDTHS
from viewdistill.diffusion.model_index import MODEL_INDEX
from viewdistill.diffusion.prior_files import weight_names
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior
from viewdistill.objects.dataset import load
from viewdistill.resources import REPOSITORY


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
