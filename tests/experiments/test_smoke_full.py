"""The random priors have the sizes of the published ones; nothing is allocated here."""

import pytest
import torch

from experiments.random_priors import PARTS

PARAMETERS = {
    ("zero123-xl", "unet"): 859_532_484,  # Stable Diffusion 1.5's 859,520,964 and four more input channels
    ("zero123-xl", "vae"): 83_653_863,
    ("zero123-xl", "image_encoder"): 303_966_208,
    ("zero123-xl", "clip_camera_projection"): 772 * 768 + 768,
    ("stable-diffusion-2-1-base", "unet"): 865_910_724,
    ("stable-diffusion-2-1-base", "vae"): 83_653_863,
    ("stable-diffusion-2-1-base", "text_encoder"): 340_387_840,
}


@pytest.mark.parametrize(("prior", "part"), PARAMETERS)
def test_size_is_that_of_the_published_prior(prior: str, part: str) -> None:
    with torch.device("meta"):
        built = PARTS[prior][part]()
    assert sum(weight.numel() for weight in built.parameters()) == PARAMETERS[prior, part]


def test_no_part_is_left_out() -> None:
    assert {(prior, part) for prior, parts in PARTS.items() for part in parts} == set(PARAMETERS)
