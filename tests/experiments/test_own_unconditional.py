from pathlib import Path

import torch

from experiments.own_unconditional import export_own_unconditional
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior


def test_every_text_is_the_unconditional_branch(tiny_prior_folder: Path, tmp_path: Path):
    view_prior, text_prior = tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion"
    folder = export_own_unconditional(view_prior, text_prior, tmp_path / "own")
    view, own = ViewConditionedPrior.from_folder(view_prior), TextConditionedPrior.from_folder(folder)
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([100, 700])
    expected = view.predict_noise_unconditional(latents, timesteps)
    for text in ("", "a red mug"):
        found = own.predict_noise(latents, timesteps, own.encode_text([text] * 2))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    # The same images make the same latents.
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(own.encode_images(images), view.encode_images(images))


def test_half_an_export_is_made_again_and_a_whole_one_kept(tiny_prior_folder: Path, tmp_path: Path):
    priors = tiny_prior_folder / "zero123", tiny_prior_folder / "stable-diffusion"
    folder = export_own_unconditional(*priors, tmp_path / "own")
    config = folder / "unet" / "config.json"
    config.unlink()
    export_own_unconditional(*priors, folder)
    assert not config.exists()
    (folder / "own_unconditional.json").unlink()
    export_own_unconditional(*priors, folder)
    assert config.is_file()
