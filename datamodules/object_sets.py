"""Sets of rendered objects that the priors are trained on, in shards that are rendered while networks already train."""

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
"""First seed of objects that no prior is trained on: the training families with new parameters."""

HELD_OUT_FAMILY_SEEDS = 20_000_000
"""First seed of objects of the two families that no prior is trained on."""

Kind = Literal["plain", "patterned", "broad"]

FIRST_SEEDS: dict[Kind, int] = {"plain": 0, "patterned": PATTERNED_SEEDS.start, "broad": BROAD_SEEDS}

OCCUPANCY = "occupancy.npy"
"""Beside a shard's renders: bits of `viewdistill.objects.occupancy`, a row an object."""

TEST, PATTERNED_TEST = "test", "patterned-test"
"""Folders of the two validation sets."""


@dataclass(frozen=True)
class Shard:
    """Some objects of one kind, rendered into a folder of their own."""

    kind: Kind
    folder: Path
    seeds: range


@dataclass(frozen=True)
class ObjectSets:
    """The rendered sets, all kept in one folder.

    Training objects are plain (white background, one light an object), patterned (the same with bold prints and thin
    parts, see `viewdistill.objects.generator`) or broad (another light for every view, half of the views over other
    backgrounds). Validation sets hold plain and patterned objects that are never trained on.
    """

    folder: str = ".cache/priors/objects"
    """Where the sets are kept."""
    plain: int = 24_000
    """Plain objects."""
    patterned: int = 24_000
    """Patterned objects."""
    broad: int = 16_000
    """Broad objects."""
    objects_per_shard: int = 1000
    """Objects that are rendered before a training can take them up."""
    views_per_object: int = 8
    """Views of an object; half as many of a broad one."""
    image_size: int = 64
    """Side of the images, pixels."""
    held_out: int = 48
    """Objects of each validation set."""
    held_out_views: int = 4
    """Views of each of them; the first is the reference."""

    def shards(self, kinds: Sequence[Kind] = ("plain", "patterned", "broad")) -> list[Shard]:
        """All training shards of some kinds, in the order in which they are rendered: of all kinds in turn."""
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
        """How a kind is rendered."""
        if kind == "broad":
            views = max(2, self.views_per_object // 2)
            return RenderSettings(views_per_object=views, size=self.image_size, light_per_view=True)
        return RenderSettings(views_per_object=self.views_per_object, size=self.image_size)

    def render(self, shard: Shard) -> RenderedObjects:
        """A shard, as far as it is missing rendered in this process; with the cells that its objects occupy."""
        objects = build(shard.folder, shard.seeds, self.settings(shard.kind), processes=0)
        path = shard.folder / OCCUPANCY
        if not path.exists():
            bits = np.stack([packed(occupancy(generate(seed))) for seed in shard.seeds])
            with path.with_suffix(".partial").open("wb") as file:
                np.save(file, bits)
            path.with_suffix(".partial").replace(path)
        return objects

    def held_out_sets(self) -> dict[str, RenderedObjects]:
        """The validation sets by name, rendered where they are missing."""
        settings = RenderSettings(views_per_object=self.held_out_views, size=self.image_size)
        seeds = {TEST: range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + self.held_out)}
        seeds[PATTERNED_TEST] = PATTERNED_TEST_SEEDS[: self.held_out]
        return {name: build(Path(self.folder) / name, rows, settings, processes=0) for name, rows in seeds.items()}


def is_rendered(shard: Shard) -> bool:
    """Whether a shard is finished."""
    return (shard.folder / "captions.json").is_file() and (shard.folder / OCCUPANCY).is_file()


def render_in_background(sets: ObjectSets, kinds: Sequence[Kind], workers: int) -> None:
    """Render missing shards in processes that give way to the training and end with it."""
    missing = [shard for shard in sets.shards(kinds) if not is_rendered(shard)]
    context = multiprocessing.get_context("spawn")
    for worker in range(min(workers, len(missing))):
        context.Process(target=_render_all, args=(sets, missing[worker::workers]), daemon=True).start()


def _render_all(sets: ObjectSets, shards: list[Shard]) -> None:
    os.nice(5)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:  # a killed training cannot end its renderers
        threading.Thread(target=lambda: (parent.join(), os._exit(0)), daemon=True).start()
    for shard in shards:
        sets.render(shard)
