"""Data of the embedded priors: renders of procedural objects, as images, captioned latents and pairs of views.

Whole batches are drawn by index: batch ``i`` of a run is a function of (seed, i) alone, so a resumed run goes on with
the batches it has not seen, and two processes take alternate ones.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from datamodules.captions import build_tokenizer
from datamodules.latent_cache import LatentCache
from viewdistill.cameras import relative_pose
from viewdistill.objects.backgrounds import composite, random_background
from viewdistill.objects.dataset import RenderedObjects, RenderSettings, build, load

BROAD_SEEDS = 500_000
"""First seed of the broad set; the view set starts at 0."""

HELD_OUT_SEEDS = 10_000_000
"""First seed of objects that no prior is trained on: the training families with new parameters."""

HELD_OUT_FAMILY_SEEDS = 20_000_000
"""First seed of objects of the two families that no prior is trained on."""


class SeededBatches(Dataset[Any]):
    """Batches ``start``, ``start + 1``, … of a reproducible stream; ``draw(rng)`` makes one."""

    def __init__(self, draw: Callable[[np.random.Generator], Any], seed: int, start: int, count: int) -> None:
        self.draw, self.seed, self.start, self.count = draw, seed, start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return self.draw(np.random.default_rng([self.seed, self.start + index]))


@dataclass(frozen=True)
class ObjectSets:
    """The rendered sets, all kept in one folder.

    ``views`` (white background, one light an object), ``broad`` (another light for every view), ``held_out`` (new
    objects of the training families) and ``held_out_families`` (objects of the families that are never trained on).
    """

    folder: str = ".cache/priors/objects"
    """Where the sets are kept."""
    objects: int = 12_000
    """Objects of the view set."""
    broad_objects: int = 6_000
    """Objects of the broad set."""
    held_out_objects: int = 256
    """Objects of each held-out set."""
    views_per_object: int = 8
    """Views of an object; half as many in the broad set."""
    image_size: int = 64
    """Side of the images, pixels."""

    def described(self) -> dict[str, tuple[range, RenderSettings]]:
        """Seeds and rendering of every set."""
        views = self.views_per_object
        plain = RenderSettings(views_per_object=views, size=self.image_size)
        broad = RenderSettings(views_per_object=max(2, views // 2), size=self.image_size, light_per_view=True)
        count = self.held_out_objects
        return {
            "views": (range(self.objects), plain),
            "broad": (range(BROAD_SEEDS, BROAD_SEEDS + self.broad_objects), broad),
            "held_out": (range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + count), plain),
            "held_out_families": (range(HELD_OUT_FAMILY_SEEDS, HELD_OUT_FAMILY_SEEDS + count), plain),
        }


@dataclass(frozen=True)
class Batches:
    """The stream of batches."""

    size: int = 32
    """Samples a batch and process."""
    validation: int = 8
    """Held-out batches."""
    per_epoch: int = 1_000_000
    """Length of what Lightning calls an epoch."""
    seed: int = 0
    """Seed of the stream."""


class ObjectImages(pl.LightningDataModule):
    """Images in [0, 1] for the autoencoder, half from the view set and half from the broad one.

    Half of the broad set's views have a coloured or textured background. This module also builds the sets that the two
    diffusion priors use.

    Args:
        sets: The rendered sets.
        batches: The stream of batches.
    """

    def __init__(self, sets: ObjectSets | None = None, batches: Batches | None = None) -> None:
        super().__init__()
        self.sets, self.batches = sets or ObjectSets(), batches or Batches()
        self.folder = Path(self.sets.folder)

    def prepare_data(self) -> None:
        """Render what is missing of the sets, and learn the tokenizer of their captions."""
        for name, (seeds, settings) in self.sets.described().items():
            build(self.folder / name, seeds, settings, verbose=True)
        captions = json.loads((self.folder / "views" / "captions.json").read_text())
        if not (self.folder / "tokenizer").exists():
            build_tokenizer(captions).save_pretrained(self.folder / "tokenizer")

    def setup(self, stage: str) -> None:
        """Map the rendered sets into memory."""
        self.views, self.broad = load(self.folder / "views"), load(self.folder / "broad")
        self.held_out = load(self.folder / "held_out")

    def draw(self, rng: np.random.Generator, held_out: bool) -> Any:
        """Images [batch, 3, size, size] of random views."""
        images: list[np.ndarray] = []
        for _ in range(self.batches.size):
            broad = not held_out and rng.random() < 0.5
            rgba = random_view(self.held_out if held_out else self.broad if broad else self.views, rng)
            textured = broad and rng.random() < 0.5
            background = random_background(rng, len(rgba)) if textured else white(len(rgba))
            images.append(composite(rgba, background))
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches from the step the trainer is at."""
        start = self.trainer.global_step * self.trainer.world_size if self.trainer else 0
        stream = SeededBatches(lambda rng: self.draw(rng, False), self.batches.seed, start, self.batches.per_epoch)
        return DataLoader(stream, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """The same held-out batches every time."""
        held_out = SeededBatches(lambda rng: self.draw(rng, True), self.batches.seed + 1, 0, self.batches.validation)
        return DataLoader(held_out, batch_size=None)


class CaptionedLatents(ObjectImages):
    """Scaled latents with captions for the text-conditioned prior: half from the view set, half from the broad one.

    Args:
        vae: ``vae`` folder that makes the latents; they are encoded once and kept beside the renders.
        sets: The rendered sets.
        batches: The stream of batches.
    """

    def __init__(self, vae: str, sets: ObjectSets | None = None, batches: Batches | None = None) -> None:
        super().__init__(sets, batches)
        self.vae = Path(vae)

    def prepare_data(self) -> None:
        """Render and encode what is missing."""
        super().prepare_data()
        for name in self.sets.described():
            LatentCache.build(self.folder / name, self.vae, textured=name == "broad")

    def setup(self, stage: str) -> None:
        """Map renders and latents into memory."""
        super().setup(stage)
        self.view_latents = LatentCache(self.folder / "views", self.vae)
        self.broad_latents = LatentCache(self.folder / "broad", self.vae)
        self.held_out_latents = LatentCache(self.folder / "held_out", self.vae)

    def draw(self, rng: np.random.Generator, held_out: bool) -> Any:
        """``latents`` [B, 4, h, w] and ``captions``."""
        latents: list[np.ndarray] = []
        captions: list[str] = []
        for _ in range(self.batches.size):
            broad = not held_out and rng.random() < 0.5
            images = self.held_out if held_out else self.broad if broad else self.views
            cache = self.held_out_latents if held_out else self.broad_latents if broad else self.view_latents
            item, view = int(rng.integers(len(images.rgba))), int(rng.integers(images.rgba.shape[1]))
            latents.append(cache.sample(item, view, rng))
            captions.append(images.captions[item])
        return {"latents": torch.from_numpy(np.stack(latents)), "captions": captions}


class ViewGroups(ObjectImages):
    """A reference view and several others of the same object, for the view-conditioned prior and its lifting.

    Args:
        vae: ``vae`` folder that makes the latents; they are encoded once and kept beside the renders.
        sets: The rendered sets.
        batches: The stream of batches; their size counts references.
        views: Other views for each reference.
    """

    def __init__(
        self, vae: str, sets: ObjectSets | None = None, batches: Batches | None = None, views: int = 1
    ) -> None:
        super().__init__(sets, batches)
        self.vae, self.views_per_reference = Path(vae), views

    def prepare_data(self) -> None:
        """Render and encode what is missing."""
        super().prepare_data()
        for name in ("views", "held_out"):
            LatentCache.build(self.folder / name, self.vae, textured=False)

    def setup(self, stage: str) -> None:
        """Map renders and latents into memory."""
        super().setup(stage)
        self.view_latents = LatentCache(self.folder / "views", self.vae)
        self.held_out_latents = LatentCache(self.folder / "held_out", self.vae)

    def draw(self, rng: np.random.Generator, held_out: bool) -> Any:
        """Batch of `lightning_modules.view_synthesis` and `lightning_modules.lifting`; wanted views lie flat."""
        images, cache = (self.held_out, self.held_out_latents) if held_out else (self.views, self.view_latents)
        items = rng.integers(len(images.rgba), size=self.batches.size)
        chosen = [rng.choice(images.rgba.shape[1], 1 + self.views_per_reference, replace=False) for _ in items]
        sources = [(int(item), int(views[0])) for item, views in zip(items, chosen, strict=True)]
        targets = [(int(item), int(view)) for item, views in zip(items, chosen, strict=True) for view in views[1:]]
        size, side = images.rgba.shape[2], self.view_latents.moments.shape[-1]

        def over_white(rows: list[tuple[int, int]]) -> Tensor:
            return torch.from_numpy(np.stack([composite(images.rgba[row], white(size)) for row in rows]))

        alpha = np.stack([images.rgba[row][None, ..., 3] for row in targets])
        batch = {
            "image": over_white(sources).permute(0, 3, 1, 2),
            "image_latent": torch.from_numpy(np.stack([cache.mode(*row) for row in sources])),
            "elevation": torch.from_numpy(np.stack([images.cameras[row][1] for row in sources])).float(),
            "pose": group_pose(images, sources, targets),
            "latents": torch.from_numpy(np.stack([cache.sample(*row, rng) for row in targets])),
            "silhouettes": F.adaptive_avg_pool2d(torch.from_numpy(alpha.astype(np.float32) / 255), side),
        }
        return {**batch, "target_image": over_white(targets).permute(0, 3, 1, 2)} if held_out else batch


def group_pose(
    images: RenderedObjects, sources: list[tuple[int, int]], targets: list[tuple[int, int]]
) -> Float[Tensor, "batch views 4"]:
    """Relative poses of wanted views, which are ordered by their reference; rows are (object, view)."""
    source = torch.from_numpy(np.stack([images.cameras[row] for row in sources])).float()
    target = torch.from_numpy(np.stack([images.cameras[row] for row in targets])).float()
    source = source.repeat_interleave(len(targets) // len(sources), 0)
    return relative_pose(*source.unbind(-1), *target.unbind(-1)).unflatten(0, (len(sources), -1))


def random_view(images: RenderedObjects, rng: np.random.Generator) -> np.ndarray:
    """RGBA [size, size, 4] uint8 of a random view of a random object."""
    return images.rgba[rng.integers(len(images.rgba)), rng.integers(images.rgba.shape[1])]


def white(size: int) -> Float[np.ndarray, "size size 3"]:
    """The background of Zero-1-to-3's renders."""
    return np.ones((size, size, 3), np.float32)
