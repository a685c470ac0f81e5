"""How a prior is made ready for its device; what it computes stays the same."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from lightning_modules.loaded_priors import suit_to_device
from viewdistill.diffusion.priors import TextConditionedPrior, ViewConditionedPrior

CPU = torch.device("cpu")


def outputs(prior: TextConditionedPrior | ViewConditionedPrior) -> list[Tensor]:
    """A prediction of the UNet, a latent, and an image."""
    torch.manual_seed(0)
    config, vae = prior.unet.config, cast(Any, prior.vae)
    latents = torch.randn(2, config["in_channels"], 8, 8)
    tokens = torch.randn(2, 3, config["cross_attention_dim"])
    with torch.no_grad():
        predicted = prior.unet(latents, torch.tensor([500, 20]), tokens).sample
        mean = vae.encode(torch.rand(2, 3, 16, 16)).latent_dist.mean
        return [predicted, mean, vae.decode(mean).sample]


def test_channels_last_changes_no_result(tiny_prior_folder: Path) -> None:
    priors = [
        ViewConditionedPrior.from_folder(tiny_prior_folder / "zero123"),
        TextConditionedPrior.from_folder(tiny_prior_folder / "stable-diffusion"),
    ]
    for prior in priors:
        expected = outputs(prior)
        suit_to_device(prior, CPU)
        kernels = [m.weight for m in prior.unet.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
        assert kernels
        assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
        for found, wanted in zip(outputs(prior), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
