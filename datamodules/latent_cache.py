"""Latents of a rendered set, encoded once by a fixed autoencoder and mapped into memory."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float, UInt8
from numpy.lib.format import open_memmap

from viewdistill.objects.backgrounds import random_background
from viewdistill.objects.dataset import load
from viewdistill.precision import fast_bfloat16

CPU = torch.device("cpu")


def fingerprint(vae_folder: Path) -> str:
    """First twelve hexadecimal digits of the SHA-256 of an autoencoder's weights."""
    return hashlib.sha256((vae_folder / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()[:12]


class LatentCache:
    """Posterior means and log-variances [objects, views, 2 c, h, w] (fp16) beside a rendered set.

    Args:
        folder: The rendered set.
        vae_folder: The autoencoder that made the latents; another one has another file.

    Raises:
        FileNotFoundError: The set was not encoded with this autoencoder: call `build` first.
    """

    def __init__(self, folder: Path, vae_folder: Path) -> None:
        self.moments = np.load(self.path(folder, vae_folder), mmap_mode="r")
        config: Any = AutoencoderKL.load_config(vae_folder)
        self.scaling_factor = float(config["scaling_factor"])

    @staticmethod
    def path(folder: Path, vae_folder: Path) -> Path:
        """File of the latents of a set."""
        return folder / f"latents-{fingerprint(vae_folder)}.npy"

    @classmethod
    def build(cls, folder: Path, vae_folder: Path, textured: bool, batch: int = 64) -> None:
        """Encode every view over white, or half of them over random backgrounds; does nothing if it was done.

        Args:
            folder: The rendered set.
            vae_folder: ``vae`` folder.
            textured: Put a random background behind every second view.
            batch: Images encoded at once.
        """
        path = cls.path(folder, vae_folder)
        if path.exists():
            return
        vae: Any = AutoencoderKL.from_pretrained(vae_folder, torch_dtype=torch.float32).eval()
        rgba = load(folder).rgba
        objects, views, size = rgba.shape[:3]
        channels, side = 2 * vae.config.latent_channels, size // 2 ** (len(vae.config.block_out_channels) - 1)
        partial = path.with_suffix(".partial")
        moments = open_memmap(partial, "w+", np.float16, (objects, views, channels, side, side))
        step = max(1, batch // views)
        for first in range(0, objects, step):
            items = range(first, min(first + step, objects))
            pixels = np.stack([over_background(rgba[item], item, textured) for item in items])
            pixels = torch.from_numpy(pixels.reshape(-1, size, size, 3)).permute(0, 3, 1, 2) * 2 - 1
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16(CPU)):
                encoded = vae.quant_conv(vae.encoder(pixels)).float().clamp(-30, 20)
            moments[first : items.stop] = encoded.reshape(len(items), views, channels, side, side).numpy()
        moments.flush()
        partial.rename(path)

    def mode(self, item: int, view: int) -> Float[np.ndarray, "c h w"]:
        """Posterior mean, unscaled: what Zero-1-to-3 concatenates as its image condition."""
        return np.asarray(np.split(self.moments[item, view], 2)[0], np.float32)

    def sample(self, item: int, view: int, rng: np.random.Generator) -> Float[np.ndarray, "c h w"]:
        """A posterior sample times the scaling factor: what a diffusion model is trained on."""
        mean, log_variance = np.split(np.asarray(self.moments[item, view], np.float32), 2)
        noise = rng.standard_normal(mean.shape, dtype=np.float32)
        return (mean + np.exp(0.5 * log_variance) * noise) * np.float32(self.scaling_factor)


def over_background(
    rgba: UInt8[np.ndarray, "views size size 4"], item: int, textured: bool
) -> Float[np.ndarray, "views size size 3"]:
    """All views of object ``item`` over white, or every second one over a background that depends on the item alone."""
    image = rgba.astype(np.float32) / 255
    background = np.ones_like(image[..., :3])
    if textured:
        rng = np.random.default_rng([item, 77])
        for view in range(0, len(image), 2):
            background[view] = random_background(rng, image.shape[1])
    return image[..., :3] * image[..., 3:] + background * (1 - image[..., 3:])
