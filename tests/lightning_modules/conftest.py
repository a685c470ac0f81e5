"""Rendered objects and priors trained on them, made once for all tests of this folder."""

from pathlib import Path

import pytest

from datamodules.objects.rendered_objects import CaptionedLatents, ObjectImages, ViewGroups
from lightning_modules.priors.autoencoder import Autoencoder
from lightning_modules.priors.lifting import Lifting
from lightning_modules.priors.prior_export import (
    export_autoencoder,
    export_lifting,
    export_text_to_image,
    export_view_synthesis,
)
from lightning_modules.priors.text_to_image import TextToImage
from lightning_modules.priors.view_synthesis import ViewSynthesis
from tests.tiny_training import BATCHES, SIZE, WIDTHS, fit, tiny_sets


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All rendered sets and the tokenizer."""
    folder = tmp_path_factory.mktemp("objects")
    data = ObjectImages(tiny_sets(folder), BATCHES)
    data.prepare_data()
    for shard in data.sets.shards():
        data.sets.render(shard)
    return folder


@pytest.fixture(scope="session")
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
