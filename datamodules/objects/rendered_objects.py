"""Training data of the embedded priors: renders of procedural objects, as images, captioned latents and view groups.

Whole batches are drawn by index: batch ``i`` of a run is a function of (seed, i) and of the objects rendered so far. A
resumed run thus continues with new batches, and two processes take alternate ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.objects.captions import build_tokenizer
from datamodules.objects.object_sets import Kind, ObjectSets, is_rendered, render_in_background
from datamodules.objects.object_store import CPU, ObjectStore, StoredObjects
from viewdistill.cameras import relative_pose
from viewdistill.pictures import to_tensor

TAKE_UP_EVERY = 100
"""Batches between checks for newly rendered objects."""


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
class Batches:
    """The stream of batches."""

    size: int = 128
    """Samples, or references with their views, per batch and process."""
    validation: int = 8
    """Held-out batches of random views; data of view groups use every held-out object once."""
    per_epoch: int = 100_000_000
    """Batches per Lightning epoch."""
    seed: int = 0
    """Seed of the stream."""


class ObjectImages(pl.LightningDataModule):
    """Images in [0, 1] of objects of all kinds, for the autoencoder.

    This module also renders the sets for the other priors.

    Args:
        sets: The rendered sets.
        batches: The stream of batches.
        render_workers: Processes that render missing objects during training; 0 for none.
        vae: ``vae`` folder for latents, if needed.
    """

    kinds: tuple[Kind, ...] = ("plain", "patterned", "broad")

    def __init__(
        self,
        sets: ObjectSets | None = None,
        batches: Batches | None = None,
        render_workers: int = 1,
        vae: str | None = None,
    ) -> None:
        super().__init__()
        self.sets, self.batches, self.render_workers = sets or ObjectSets(), batches or Batches(), render_workers
        self.vae = None if vae is None else Path(vae)
        self.drawn = 0

    def prepare_data(self) -> None:
        """Render the validation sets and the first objects of each kind, and learn the tokenizer of their captions."""
        self.sets.held_out_sets()
        first = {shard.kind: shard for shard in reversed(self.sets.shards())}
        captions = [caption for shard in first.values() for caption in self.sets.render(shard).captions]
        folder = Path(self.sets.folder) / "tokenizer"
        if not folder.exists():
            build_tokenizer(captions).save_pretrained(folder)

    def setup(self, stage: str) -> None:
        """Open the rendered objects, and let the first process render the rest."""
        trainer = self.trainer
        device = trainer.strategy.root_device if trainer else CPU
        self.store = ObjectStore(self.sets, self.kinds, self.vae, device)
        self.store.take_up()
        self.held_out: list[StoredObjects] = []
        for name, objects in self.sets.held_out_sets().items():
            kept = self.store.file_of_latents(Path(self.sets.folder) / name)
            self.held_out.append(StoredObjects(objects, textured=False, encoder=self.store.encoder, kept=kept))
        first = trainer is None or trainer.is_global_zero
        if first and self.render_workers and not all(map(is_rendered, self.sets.shards())):
            render_in_background(self.sets, ("plain", "patterned", "broad"), self.render_workers)

    def draw_training(self, rng: np.random.Generator) -> Any:
        """Draw a batch from the objects rendered so far."""
        self.drawn += 1
        if self.drawn % TAKE_UP_EVERY == 0:
            self.store.take_up()
        return self.draw(rng)

    def draw(self, rng: np.random.Generator) -> Any:
        """Return images [batch, 3, size, size] of random views."""
        items, views = self.store.draw(rng, self.batches.size, 1)
        return self.store.pictures(items, views)[:, 0, :3].float() / 255

    def draw_held_out(self, rng: np.random.Generator) -> Any:
        """Return a batch of held-out objects."""
        return torch.cat([_rgb(part, item, [view]) for part, item, view in self._random_held_out(rng)])

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches from the trainer's step on."""
        start = self.trainer.global_step * self.trainer.world_size if self.trainer else 0
        stream = SeededBatches(self.draw_training, self.batches.seed, start, self.batches.per_epoch)
        return DataLoader(stream, batch_size=None)

    def val_dataloader(self) -> Any:
        """Return the same held-out batches every time."""
        stream = SeededBatches(self.draw_held_out, self.batches.seed + 1, 0, self.batches.validation)
        return DataLoader(stream, batch_size=None)

    def _random_held_out(self, rng: np.random.Generator) -> list[tuple[StoredObjects, int, int]]:
        parts = [self.held_out[int(rng.integers(len(self.held_out)))] for _ in range(self.batches.size)]
        return [(part, int(rng.integers(len(part))), int(rng.integers(part.views))) for part in parts]


class CaptionedLatents(ObjectImages):
    """Scaled latents with captions for the text-conditioned prior, of objects of all kinds.

    Args:
        vae: ``vae`` folder for the latents, which are stored beside the renders.
        sets: The rendered sets.
        batches: The stream of batches.
        render_workers: Processes that render missing objects during training; 0 for none.
    """

    def __init__(
        self, vae: str, sets: ObjectSets | None = None, batches: Batches | None = None, render_workers: int = 1
    ) -> None:
        super().__init__(sets, batches, render_workers, vae)

    def draw(self, rng: np.random.Generator) -> Any:
        """Return ``latents`` [B, 4, h, w] and ``captions``."""
        items, views = self.store.draw(rng, self.batches.size, 1)
        moments = self.store.moments(items, views)[:, 0]
        return {"latents": self._sample(moments, rng), "captions": [self.store.captions[item] for item in items]}

    def draw_held_out(self, rng: np.random.Generator) -> Any:
        """Return a batch of held-out objects."""
        chosen = self._random_held_out(rng)
        moments = torch.from_numpy(np.concatenate([part.moments(item, [view]) for part, item, view in chosen]))
        captions = [part.objects.captions[item] for part, item, _ in chosen]
        return {"latents": self._sample(moments, rng), "captions": captions}

    def _sample(self, moments: Float[Tensor, "*n c h w"], rng: np.random.Generator) -> Float[Tensor, "*n half h w"]:
        """Draw scaled latents from posteriors, for training a diffusion model."""
        assert self.store.encoder is not None
        mean, log_variance = moments.chunk(2, -3)
        generator = torch.Generator(mean.device).manual_seed(int(rng.integers(1 << 62)))
        noise = torch.empty_like(mean).normal_(generator=generator)
        return (mean + (0.5 * log_variance).exp() * noise) * self.store.encoder.scaling_factor


class ViewGroups(CaptionedLatents):
    """Reference views with several views of the same objects, for the view-conditioned prior and its lifting.

    Args:
        vae: ``vae`` folder for the latents, which are stored beside the renders.
        sets: The rendered sets.
        batches: The stream of batches; their size counts references.
        render_workers: Processes that render missing objects during training; 0 for none.
        views: Target views per reference.
        latent_views: Number of target views with latents; all when not given.
        with_reference: The first target view is the reference itself.
        pictures: Also return pictures of the target views, and the objects' occupied cells.
    """

    kinds = ("plain", "patterned")

    def __init__(
        self,
        vae: str,
        sets: ObjectSets | None = None,
        batches: Batches | None = None,
        render_workers: int = 1,
        views: int = 4,
        latent_views: int | None = None,
        with_reference: bool = False,
        pictures: bool = False,
    ) -> None:
        super().__init__(vae, sets, batches, render_workers)
        self.wanted, self.latent_views = views, latent_views or views
        self.with_reference, self.with_pictures = with_reference, pictures

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a batch for the trainings that take groups of views, target views flattened.

        ``image`` [B, 3, H, W], ``image_latent`` [B, 4, h, w] its posterior mode, unscaled; ``elevation`` [B], degrees;
        ``pose`` [B, K, 4]; ``latents`` [B L, 4, h, w], scaled samples of the first L target views; and, with
        ``pictures``, ``target_image`` [B K, 3, H, W], ``opacity`` [B K, 1, H, W], ``occupancy`` [B, n, n, n] of the
        objects (see `viewdistill.objects.occupancy`) and ``azimuth`` [B] of the references among them, degrees.
        """
        apart = 0 if self.with_reference else 1
        items, views = self.store.draw(rng, self.batches.size, apart + self.wanted)
        wanted = views[:, apart:]
        moments = self.store.moments(items, np.concatenate([views[:, :1], wanted[:, : self.latent_views]], 1))
        cameras = self.store.cameras(items, views)
        pictures = self.store.pictures(items, views if self.with_pictures else views[:, :1]).float() / 255
        batch = {
            "image": pictures[:, 0, :3].contiguous(),
            "image_latent": moments[:, 0].chunk(2, 1)[0],
            "elevation": cameras[:, 0, 1],
            "pose": poses(cameras[:, :1], cameras[:, apart:]),
            "latents": self._sample(moments[:, 1:].flatten(0, 1), rng),
        }
        if not self.with_pictures:
            return batch
        batch |= {"azimuth": cameras[:, 0, 0], "occupancy": self.store.occupancy(items)}
        return {**batch, **_targets(pictures[:, apart:])}

    def val_dataloader(self) -> Any:
        """Return all held-out objects of each set, with pictures of all views; the first is reference and target."""
        return [DataLoader(self.held_out_groups(part), batch_size=None) for part in self.held_out]  # type: ignore[arg-type]

    def held_out_groups(self, part: StoredObjects, size: int = 8) -> list[dict[str, Tensor]]:
        """Return batches of one held-out set, each object once."""
        batches: list[dict[str, Tensor]] = []
        for start in range(0, len(part), size):
            rows = range(start, min(start + size, len(part)))
            stacked = np.stack([part.pictures(item, range(part.views)) for item in rows])
            pictures = to_tensor(stacked)
            cameras = torch.from_numpy(np.array(part.objects.cameras[rows.start : rows.stop]))
            moments = torch.from_numpy(np.stack([part.moments(item, range(part.views)) for item in rows]))
            batches.append(
                {
                    "image": pictures[:, 0, :3].contiguous(),
                    "image_latent": moments[:, 0].chunk(2, 1)[0],
                    "elevation": cameras[:, 0, 1],
                    "pose": poses(cameras[:, :1], cameras),
                    "latents": self._sample(moments.flatten(0, 1), np.random.default_rng([77, start])),
                    **_targets(pictures),
                }
            )
        return batches


def poses(source: Float[Tensor, "batch 1 3"], target: Float[Tensor, "batch views 3"]) -> Float[Tensor, "batch views 4"]:
    """Return relative poses of cameras (azimuth and elevation in degrees, distance)."""
    given = source.expand_as(target).flatten(0, 1)
    return relative_pose(*given.unbind(-1), *target.flatten(0, 1).unbind(-1)).unflatten(0, target.shape[:2])


def _targets(pictures: Float[Tensor, "batch views 4 height width"]) -> dict[str, Tensor]:
    flat = pictures.flatten(0, 1)
    return {"target_image": flat[:, :3].contiguous(), "opacity": flat[:, 3:].contiguous()}


def _rgb(part: StoredObjects, item: int, views: list[int]) -> Float[Tensor, "views 3 height width"]:
    return to_tensor(part.pictures(item, views)[..., :3])
