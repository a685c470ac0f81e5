"""Training sets of rendered objects for the priors, in shards that are rendered during training."""

import multiprocessing
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from viewdistill.objects.dataset import RenderedObjects, RenderSettings, build
from viewdistill.objects.generator import PATTERNED_SEEDS, PATTERNED_TEST_SEEDS, generate
from viewdistill.objects.occupancy import occupancy, packed

BROAD_SEEDS = 500_000
"""First seed of the broad objects; the plain ones start at 0."""

HELD_OUT_SEEDS = 10_000_000
"""First seed of held-out objects: the training families with new parameters."""

HELD_OUT_FAMILY_SEEDS = 20_000_000
"""First seed of objects of the two held-out families."""

Kind = Literal["plain", "patterned", "broad"]

FIRST_SEEDS: dict[Kind, int] = {"plain": 0, "patterned": PATTERNED_SEEDS.start, "broad": BROAD_SEEDS}

OCCUPANCY = "occupancy.npy"
"""File beside a shard's renders: bits of `viewdistill.objects.occupancy`, one row per object."""

TEST, PATTERNED_TEST = "test", "patterned-test"
"""Folders of the two validation sets."""


@dataclass(frozen=True)
class Shard:
    """Objects of one kind, rendered into a folder of their own."""

    kind: Kind
    folder: Path
    seeds: range


@dataclass(frozen=True)
class ObjectSets:
    """The rendered sets, all kept in one folder.

    Training objects are plain (white background, one light per object), patterned (the same with bold prints and thin
    parts, see `viewdistill.objects.generator`) or broad (another light for every view, half of the views over other
    backgrounds). Validation sets hold plain and patterned objects that are never trained on.
    """

    folder: str = ".cache/priors/objects"
    """Folder of the sets."""
    plain: int = 24_000
    """Number of plain objects."""
    patterned: int = 24_000
    """Number of patterned objects."""
    broad: int = 16_000
    """Number of broad objects."""
    objects_per_shard: int = 1000
    """Objects per shard; training uses complete shards only."""
    views_per_object: int = 8
    """Views per object; half as many for broad ones."""
    image_size: int = 64
    """Side of the images, pixels."""
    held_out: int = 48
    """Objects per validation set."""
    held_out_views: int = 4
    """Views per validation object; the first is the reference."""

    def shards(self, kinds: Sequence[Kind] = ("plain", "patterned", "broad")) -> list[Shard]:
        """Return all training shards of given kinds in rendering order: the kinds alternate."""
        counts: dict[Kind, int] = {"plain": self.plain, "patterned": self.patterned, "broad": self.broad}
        found: list[tuple[float, Shard]] = []
        for kind in kinds:
            number = -(-counts[kind] // self.objects_per_shard)
            for k in range(number):
                first = k * self.objects_per_shard
                seeds = range(
                    FIRST_SEEDS[kind] + first, FIRST_SEEDS[kind] + min(first + self.objects_per_shard, counts[kind])
                )
                found.append((k / number, Shard(kind, Path(self.folder) / f"{kind}-{k:04d}", seeds)))
        return [shard for _, shard in sorted(found, key=lambda entry: entry[0])]

    def settings(self, kind: Kind) -> RenderSettings:
        """Return the render settings of a kind."""
        if kind == "broad":
            views = max(2, self.views_per_object // 2)
            return RenderSettings(views_per_object=views, size=self.image_size, light_per_view=True)
        return RenderSettings(views_per_object=self.views_per_object, size=self.image_size)

    def render(self, shard: Shard) -> RenderedObjects:
        """Return a shard with its objects' occupied cells; render missing parts in this process."""
        objects = build(shard.folder, shard.seeds, self.settings(shard.kind), processes=0)
        path = shard.folder / OCCUPANCY
        if not path.exists():
            bits = np.stack([packed(occupancy(generate(seed))) for seed in shard.seeds])
            with path.with_suffix(".partial").open("wb") as file:
                np.save(file, bits)
            path.with_suffix(".partial").replace(path)
        return objects

    def held_out_sets(self) -> dict[str, RenderedObjects]:
        """Return the validation sets by name; render missing ones."""
        settings = RenderSettings(views_per_object=self.held_out_views, size=self.image_size)
        seeds = {TEST: range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + self.held_out)}
        seeds[PATTERNED_TEST] = PATTERNED_TEST_SEEDS[: self.held_out]
        return {name: build(Path(self.folder) / name, rows, settings, processes=0) for name, rows in seeds.items()}


def is_rendered(shard: Shard) -> bool:
    """Return whether a shard is finished."""
    return (shard.folder / "captions.json").is_file() and (shard.folder / OCCUPANCY).is_file()


def render_in_background(sets: ObjectSets, kinds: Sequence[Kind], workers: int) -> None:
    """Render missing shards in low-priority processes that end with the training."""
    missing = [shard for shard in sets.shards(kinds) if not is_rendered(shard)]
    context = multiprocessing.get_context("spawn")
    for worker in range(min(workers, len(missing))):
        context.Process(target=_render_all, args=(sets, missing[worker::workers]), daemon=True).start()


def _render_all(sets: ObjectSets, shards: list[Shard]) -> None:
    os.nice(5)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:  # a killed training process cannot end its renderers
        threading.Thread(target=lambda: (parent.join(), os._exit(0)), daemon=True).start()
    for shard in shards:
        sets.render(shard)
