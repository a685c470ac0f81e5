"""How much memory a stage will need, from its settings: an estimate, to refuse what cannot fit before it starts.

The parts are the libraries, the weights of the priors, and what the work holds at its peak. The factors are those of
measured runs of the nano and debug presets on a CPU (``peak_memory_mb`` in the records of the stages). What is not
certain is left out, for a stage that would fit must not be refused: weights that are still to be fetched, and the work
of a GPU, which has a memory of its own.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from datamodules.runs.staleness import referenced_files, strings
from viewdistill import resources

LIBRARIES_MB = 700.0
"""A process in which all libraries of a stage are loaded and have worked once, MB."""

NUMBER = 4
"""Bytes of a number: computations on a CPU are in fp32 or smaller."""

FORWARD, BACKWARD = 40, 200
"""Numbers per latent pixel and channel of the UNet's first block, without gradients and with them."""

DECODED = 16
"""Numbers per pixel and channel of the autoencoder's last block while images are decoded."""

OCCUPIED = 0.2
"""Share of the samples on rays that lie in occupied cells and before the surface."""

KEPT = 3
"""What a sample's features are held in: values, gradients, and work on either."""

VOLUMES, TEXELS = 12, 80
"""Numbers per node of a mesh's lattice, and per texel of its texture."""

MESH_LIBRARIES_MB = 150.0
"""Ray tracing, unwrapping, cleaning and films, MB."""


@dataclass(frozen=True)
class Prior:
    """Sizes of a prior in a folder."""

    megabytes: float
    """Of its weights in fp32, MB."""
    latent_side: int
    """Of its latents, pixels."""
    channels: int
    """Of its UNet's first block."""
    image_side: int
    """Of its images, pixels."""
    image_channels: int
    """Of its autoencoder's last block."""

    def sampled_mb(self, images: int) -> float:
        """Peak while images are sampled together under guidance and decoded, MB."""
        latents = 2 * self.latent_side**2 * self.channels * FORWARD
        pixels = self.image_side**2 * self.image_channels * DECODED
        return images * (latents + pixels) * NUMBER / 1e6

    def trained_mb(self, images: int) -> float:
        """Peak while the UNet learns from images, MB."""
        return images * self.latent_side**2 * self.channels * BACKWARD * NUMBER / 1e6


def needed_mb(stage: str, settings: Mapping[str, Any], run: Path) -> float:
    """Return the memory that a stage will need, MB.

    Args:
        stage: Name.
        settings: Resolved settings, nested.
        run: The run folder.
    """
    priors = priors_of(settings, run)
    sizes, weights = flat(settings), [prior.megabytes for prior in priors]
    if on_gpu(sizes):
        return LIBRARIES_MB + max(weights, default=0.0)
    return LIBRARIES_MB + sum(weights) + work_mb(stage, sizes, priors)


def on_gpu(sizes: Mapping[str, Any]) -> bool:
    """Return whether a stage's work is done on a GPU."""
    accelerator = sizes.get("accelerator", "cpu")
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())


def work_mb(stage: str, sizes: Mapping[str, Any], priors: list[Prior]) -> float:
    """Return what the work of a stage holds at its peak, MB.

    Args:
        stage: Name.
        sizes: Settings by their last names.
        priors: Those that it loads.
    """

    def size(name: str, default: int = 0) -> int:
        value = sizes.get(name)
        return value if isinstance(value, int) else default

    batch = size("images_per_batch") or size("views_per_batch") or 1
    sampled = max((prior.sampled_mb(batch) for prior in priors), default=0.0)
    if stage in ("specialize_1", "specialize_2"):
        pictures = size("instances_per_step", 1) + size("negatives_per_step", 1)
        return max((prior.trained_mb(pictures) for prior in priors), default=0.0) + sampled
    if stage in ("field", "surface"):
        side = size("patch_size") or size("view_size")
        rays = size("views_per_step") * side**2 + size("input_rays") + size("rays_per_step")
        twice = 2 if stage == "surface" else 1  # normals are gradients, whose gradients are taken
        return twice * samples_mb(sizes, rays) + grid_mb(sizes) + sampled
    if stage == "mesh":
        nodes, texels = size("resolution") ** 3, size("texture_size") ** 2
        return MESH_LIBRARIES_MB + (nodes * VOLUMES + texels * TEXELS) * NUMBER / 1e6
    return sampled


def samples_mb(sizes: Mapping[str, Any], rays: int) -> float:
    """Return what the samples on rays hold while a field learns from them, MB."""
    features = sizes.get("n_levels", 0) * sizes.get("n_features_per_level", 2) + 4 * sizes.get("hidden_width", 0) + 20
    return rays * sizes.get("n_samples_per_ray", 0) * OCCUPIED * features * KEPT * NUMBER / 1e6


def grid_mb(sizes: Mapping[str, Any]) -> float:
    """Return what a hash grid holds with its gradient and the optimiser's two moments, MB."""
    entries = sizes.get("n_levels", 0) * 2 ** sizes.get("log2_hashmap_size", 0)
    return 4 * entries * sizes.get("n_features_per_level", 2) * NUMBER / 1e6


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings by their last names; of equal names the last counts."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value) if isinstance(value, Mapping) else {str(name): value}
    return found


def priors_of(settings: Mapping[str, Any], run: Path) -> list[Prior]:
    """Return the priors on this disk that settings name; what is still to be fetched counts nothing."""
    found: dict[Path, Prior] = {}
    for text in strings(settings):
        folder = resources.find(text)
        if folder not in found and (folder / "unet" / "config.json").is_file():
            files = [path for path in referenced_files(text, run) if path.suffix in (".safetensors", ".bin")]
            found[folder] = described(folder, files)
    return list(found.values())


def described(folder: Path, weights: Iterable[Path]) -> Prior:
    """Return the sizes of a prior; a damaged configuration counts nothing here, and is refused where it is loaded."""
    unet, vae = (plain_config(folder / part / "config.json") for part in ("unet", "vae"))
    blocks = vae.get("block_out_channels") or [0]
    side = int(unet.get("sample_size") or 0)
    return Prior(
        sum(fp32_mb(path) for path in weights),
        side,
        int((unet.get("block_out_channels") or [0])[0]),
        side * 2 ** (len(blocks) - 1),
        int(blocks[0]),
    )


def plain_config(path: Path) -> dict[str, Any]:
    """Return the content of a configuration of diffusers; empty where it is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def fp32_mb(path: Path) -> float:
    """Return the size of weights in fp32, MB; of a file that is not safetensors, its own."""
    size = path.stat().st_size / 1e6
    try:
        with safe_open(path, "pt") as file:  # reads the header alone
            kinds = {file.get_slice(name).get_dtype() for name in list(file.keys())[:1]}
    except (OSError, SafetensorError):
        return size
    return size * (2 if kinds & {"F16", "BF16"} else 1)
