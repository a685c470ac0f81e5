"""Objects in shards, of which more are rendered while networks already train on those that are there."""

import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.rendered_objects import HELD_OUT_SEEDS, SeededBatches, white
from viewdistill.cameras import relative_pose
from viewdistill.objects.backgrounds import composite
from viewdistill.objects.dataset import RenderedObjects, RenderSettings, build, load
from viewdistill.objects.generator import PATTERNED_SEEDS, PATTERNED_TEST_SEEDS

REFRESH = 200
"""Draws between two looks for new shards."""


@dataclass(frozen=True)
class Shards:
    """Rendered objects of one folder: numbered shards of plain and patterned objects, and two sets for validation."""

    folder: str = ".cache/priors/shards"
    """Where they are kept."""
    objects_per_shard: int = 4096
    """Objects of a shard."""
    plain: int = 8
    """Shards of plain objects, wanted in the end."""
    patterned: int = 8
    """Shards of patterned objects, wanted in the end."""
    views_per_object: int = 8
    """Views of an object."""
    image_size: int = 64
    """Side of the images, pixels."""
    held_out: int = 48
    """Objects of each validation set."""
    held_out_views: int = 4
    """Views of each of them, the first one the reference."""

    def training(self) -> list[tuple[Path, range]]:
        """Folder and seeds of every shard, in the order in which they are rendered."""
        found: list[tuple[int, str, range]] = []
        for kind, count, first in (("plain", self.plain, 0), ("patterned", self.patterned, PATTERNED_SEEDS.start)):
            for k in range(count):
                start = first + k * self.objects_per_shard
                found.append((k, f"{kind}-{k:03d}", range(start, start + self.objects_per_shard)))
        return [(Path(self.folder) / name, seeds) for _, name, seeds in sorted(found, key=lambda entry: entry[:2])]

    def validation(self) -> list[tuple[Path, range]]:
        """Folder and seeds of the validation sets."""
        plain = range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + self.held_out)
        return [
            (Path(self.folder) / "test", plain),
            (Path(self.folder) / "patterned-test", PATTERNED_TEST_SEEDS[: self.held_out]),
        ]

    def render(self, folder: Path, seeds: Sequence[int], views: int) -> RenderedObjects:
        """A set, rendered in this process as far as it is missing."""
        return build(folder, seeds, RenderSettings(views_per_object=views, size=self.image_size), processes=0)


def render_shards(shards: Shards) -> None:
    """Render what is missing of the training shards, one after the other; the work of a process of its own."""
    os.nice(5)
    torch.set_num_threads(1)
    for folder, seeds in shards.training():
        shards.render(folder, seeds, shards.views_per_object)


class ShardedViews(pl.LightningDataModule):
    """Reference views with several others of the same objects, drawn from all shards that are finished.

    Args:
        shards: The rendered objects.
        size: References a batch.
        views: Views of each reference; the first one is the reference itself.
        seed: Of the stream of batches.
        per_epoch: Length of what Lightning calls an epoch.
        render: Render missing shards in a process beside the training; else it goes on with those that are there.
    """

    def __init__(
        self,
        shards: Shards | None = None,
        size: int = 8,
        views: int = 5,
        seed: int = 0,
        per_epoch: int = 10_000_000,
        render: bool = True,
    ) -> None:
        super().__init__()
        self.shards, self.size, self.views, self.seed, self.per_epoch = shards or Shards(), size, views, seed, per_epoch
        self.render = render
        self.sets: dict[Path, RenderedObjects] = {}
        self.draws = 0

    def prepare_data(self) -> None:
        """Render the validation sets and the first shard."""
        for folder, seeds in self.shards.validation():
            self.shards.render(folder, seeds, self.shards.held_out_views)
        folder, seeds = self.shards.training()[0]
        self.shards.render(folder, seeds, self.shards.views_per_object)

    def setup(self, stage: str) -> None:
        """Map what is rendered into memory, and have the rest rendered."""
        self.held_out = [load(folder) for folder, _ in self.shards.validation()]
        self.look_for_shards()
        if self.render and len(self.sets) < len(self.shards.training()):
            context = multiprocessing.get_context("spawn")
            context.Process(target=render_shards, args=(self.shards,), daemon=True).start()

    def look_for_shards(self) -> None:
        """Take up shards that were finished since the last look."""
        for folder, _ in self.shards.training():
            if folder not in self.sets and (folder / "captions.json").is_file():
                self.sets[folder] = load(folder)
        self.names = sorted(self.sets)

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """A batch of random objects; see `lightning_modules.lifting.Lifting.training_step`."""
        if self.draws % REFRESH == 0:
            self.look_for_shards()
        self.draws += 1
        chosen: list[tuple[np.ndarray, np.ndarray]] = []
        for _ in range(self.size):
            objects = self.sets[self.names[int(rng.integers(len(self.names)))]]
            item = int(rng.integers(len(objects.rgba)))
            views = rng.choice(objects.rgba.shape[1], self.views, replace=False)
            chosen.append((objects.rgba[item][views], np.asarray(objects.cameras[item][views])))
        return as_batch(*(np.stack(parts) for parts in zip(*chosen, strict=True)))

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches from the step the trainer is at."""
        start = self.trainer.global_step * self.trainer.world_size if self.trainer else 0
        return DataLoader(SeededBatches(self.draw, self.seed, start, self.per_epoch), batch_size=None)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """All objects of the two validation sets."""
        loaders: list[DataLoader[Any]] = []
        for objects in self.held_out:
            starts = range(0, len(objects.rgba), self.size)
            batches = [as_batch(objects.rgba[a : a + self.size], objects.cameras[a : a + self.size]) for a in starts]
            loaders.append(DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
        return loaders


def as_batch(
    rgba: np.ndarray, cameras: Float[np.ndarray, "batch views 3"]
) -> dict[str, Tensor]:
    """Views of several objects, the first of each the reference, as a batch.

    Args:
        rgba: uint8 [B, K, H, W, 4].
        cameras: Azimuth and elevation in degrees, distance.
    """
    over = composite(rgba, np.broadcast_to(white(rgba.shape[2]), (*rgba.shape[:-1], 3)))
    images = torch.from_numpy(over).permute(0, 1, 4, 2, 3).contiguous()
    placed = torch.from_numpy(np.array(cameras, np.float32))
    source = placed[:, :1].expand_as(placed)
    return {
        "image": images[:, 0],
        "elevation": placed[:, 0, 1],
        "pose": relative_pose(*source.flatten(0, 1).unbind(-1), *placed.flatten(0, 1).unbind(-1)).unflatten(
            0, placed.shape[:2]
        ),
        "target_image": images.flatten(0, 1),
        "opacity": torch.from_numpy(rgba[..., 3].astype(np.float32) / 255).flatten(0, 1)[:, None],
    }
