"""Storage of rendered objects and their latents: mapped from disk on a CPU, entirely in memory on a GPU."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float, Int, UInt8
from numpy.lib.format import open_memmap
from torch import Tensor

from datamodules.objects.object_sets import OCCUPANCY, Kind, ObjectSets, Shard, is_rendered
from viewdistill.objects.backgrounds import random_background
from viewdistill.objects.dataset import RenderedObjects, load
from viewdistill.objects.occupancy import CELLS
from viewdistill.pictures import to_tensor
from viewdistill.precision import fast_bfloat16

CPU = torch.device("cpu")


class FrozenEncoder:
    """An autoencoder that only encodes.

    Args:
        folder: ``vae`` folder.
        device: Device to run on.
    """

    def __init__(self, folder: Path, device: torch.device = CPU) -> None:
        vae: Any = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
        self.vae = vae.eval().requires_grad_(False).to(device)
        self.device = device
        self.scaling_factor = float(vae.config.scaling_factor)
        weights = (folder / "diffusion_pytorch_model.safetensors").read_bytes()
        self.fingerprint = hashlib.sha256(weights).hexdigest()[:12]
        self.channels = 2 * int(vae.config.latent_channels)
        self.reduction = 2 ** (len(vae.config.block_out_channels) - 1)

    @torch.inference_mode()
    def moments(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels h w"]:
        """Return means and log-variances of the posteriors of images in [0, 1], unscaled."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_bfloat16(self.device)):
            return self.vae.quant_conv(self.vae.encoder(images.to(self.device) * 2 - 1)).float().clamp(-30, 20)


class StoredObjects:
    """Objects with their latents, which are encoded on first access and stored beside the renders.

    Args:
        objects: The renders.
        textured: Put a fixed background behind every second view.
        encoder: Computes the latents.
        kept: File of the latents; None stores nothing.
        occupied: Bits of the objects' occupied cells, one row per object, if known.
    """

    def __init__(
        self,
        objects: RenderedObjects,
        textured: bool,
        encoder: FrozenEncoder | None,
        kept: Path | None = None,
        occupied: UInt8[np.ndarray, "objects bytes"] | None = None,
    ) -> None:
        self.objects, self.textured, self.encoder, self.occupied = objects, textured, encoder, occupied
        self._moments: np.ndarray | None = None
        self._known: np.ndarray | None = None
        if encoder is not None and kept is not None:
            side = objects.rgba.shape[2] // encoder.reduction
            shape = (*objects.rgba.shape[:2], encoder.channels, side, side)
            self._moments = _mapped(kept.with_suffix(".npy"), np.float16, shape)
            self._known = _mapped(kept.with_suffix(".known.npy"), np.bool_, shape[:2])

    def __len__(self) -> int:
        return len(self.objects.rgba)

    @property
    def views(self) -> int:
        """Views per object."""
        return self.objects.rgba.shape[1]

    def pictures(self, item: int, views: Sequence[int]) -> UInt8[np.ndarray, "views size size 4"]:
        """Return rgb over the background, and alpha, of an object's views."""
        rgba = np.asarray(self.objects.rgba[item])
        if not self.textured:
            rgba = rgba[views]
            return np.concatenate([over(rgba, np.float32(1)), rgba[..., 3:]], -1)
        rgb = over_background(rgba, item)
        return np.concatenate([rgb, rgba[..., 3:]], -1)[views]

    def moments(self, item: int, views: Sequence[int]) -> Float[np.ndarray, "views channels h w"]:
        """Return means and log-variances of the latents' posteriors."""
        assert self.encoder is not None, "a store without an encoder has no latents"
        if self._moments is None or self._known is None:
            return self._encode(item, views)
        missing = [view for view in views if not self._known[item, view]]
        if missing:
            self._moments[item, missing] = self._encode(item, missing)
            self._known[item, missing] = True
        return np.asarray(self._moments[item][views], np.float32)

    def _encode(self, item: int, views: Sequence[int]) -> np.ndarray:
        assert self.encoder is not None
        pixels = to_tensor(self.pictures(item, views)[..., :3])
        return self.encoder.moments(pixels).cpu().numpy()


class ObjectStore:
    """All rendered objects of given kinds; newly finished shards are added during training.

    Objects and their views are numbered. On a CPU pictures are read from disk on demand; another device holds
    everything, and a batch takes one indexing operation.

    Args:
        sets: The rendered sets.
        kinds: Kinds of objects.
        vae: ``vae`` folder for latents; None for pictures only.
        device: Device of the batches.
        in_memory: Hold everything on the device; by default on any device but a CPU.
    """

    def __init__(
        self,
        sets: ObjectSets,
        kinds: Sequence[Kind],
        vae: Path | None,
        device: torch.device = CPU,
        in_memory: bool | None = None,
    ) -> None:
        self.sets, self.kinds, self.device = sets, kinds, device
        self.in_memory = device.type != "cpu" if in_memory is None else in_memory
        self.encoder = None if vae is None else FrozenEncoder(vae, device)
        self.waiting: list[Shard] = sets.shards(kinds)
        self.parts: list[StoredObjects] = []
        self.starts = np.zeros(1, np.int64)
        self.captions: list[str] = []
        self.views: list[int] = []
        self._held: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take_up(self) -> None:
        """Add newly finished shards."""
        finished = [shard for shard in self.waiting if is_rendered(shard)]
        self.waiting = [shard for shard in self.waiting if shard not in finished]
        for shard in finished:
            objects = load(shard.folder)
            kept = None if self.in_memory else self.file_of_latents(shard.folder)
            occupied = np.load(shard.folder / OCCUPANCY, mmap_mode="r")
            part = StoredObjects(objects, shard.kind == "broad", self.encoder, kept, occupied)
            if self.in_memory:
                self._hold(part)
            self.parts.append(part)
            self.starts = np.append(self.starts, self.starts[-1] + len(part))
            self.captions += objects.captions
            self.views += [part.views] * len(part)

    def file_of_latents(self, folder: Path) -> Path | None:
        """Return the path of the latents beside a set's renders, without suffix; None without latents."""
        return None if self.encoder is None else folder / f"latents-{self.encoder.fingerprint}"

    def draw(self, rng: np.random.Generator, count: int, views: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw numbers of random objects [count], and distinct views of each [count, views]."""
        items = rng.integers(len(self), size=count)
        return items, np.stack([rng.permutation(self.views[item])[:views] for item in items])

    def pictures(self, items: Int[np.ndarray, " n"], views: Int[np.ndarray, "n k"]) -> UInt8[Tensor, "n k 4 size size"]:
        """Return rgb over the background, and alpha."""
        if self._held:
            rows, columns = self._indices(items, views)
            return self._held["pictures"][rows, columns]
        found = [part.pictures(item, row) for part, item, row in self._parts(items, views)]
        return torch.from_numpy(np.stack(found)).permute(0, 1, 4, 2, 3)

    def moments(self, items: Int[np.ndarray, " n"], views: Int[np.ndarray, "n k"]) -> Float[Tensor, "n k channels h w"]:
        """Return means and log-variances of the latents' posteriors."""
        if self._held:
            rows, columns = self._indices(items, views)
            return self._held["moments"][rows, columns].float()
        return torch.from_numpy(np.stack([part.moments(item, row) for part, item, row in self._parts(items, views)]))

    def cameras(self, items: Int[np.ndarray, " n"], views: Int[np.ndarray, "n k"]) -> Float[Tensor, "n k 3"]:
        """Return azimuth and elevation in degrees, distance."""
        found = [part.objects.cameras[item][row] for part, item, row in self._parts(items, views)]
        return torch.from_numpy(np.stack(found)).to(self.device, non_blocking=True)

    def occupancy(self, items: Int[np.ndarray, " n"]) -> Float[Tensor, "n cells cells cells"]:
        """Return 1 in the objects' occupied cells, else 0; axes z, y, x of `viewdistill.objects.occupancy`."""
        rows = [
            part.occupied[item] for part, item, _ in self._parts(items, items[:, None]) if part.occupied is not None
        ]
        cells = np.unpackbits(np.stack(rows), axis=1).reshape(len(items), CELLS, CELLS, CELLS)
        return torch.from_numpy(cells).to(self.device, non_blocking=True).float()

    def _parts(self, items: np.ndarray, views: np.ndarray) -> list[tuple[StoredObjects, int, list[int]]]:
        numbers = np.searchsorted(self.starts, items, "right") - 1
        return [
            (self.parts[number], int(item - self.starts[number]), row.tolist())
            for number, item, row in zip(numbers, items, views, strict=True)
        ]

    def _indices(self, items: np.ndarray, views: np.ndarray) -> tuple[Tensor, Tensor]:
        both = torch.from_numpy(np.concatenate([items[:, None], views], 1)).to(self.device, non_blocking=True)
        return both[:, :1], both[:, 1:]

    def _hold(self, part: StoredObjects) -> None:
        """Move pictures and latents of some objects to the device; memory for all is allocated at once."""
        start, end = len(self), len(self) + len(part)
        for first in range(0, len(part), 64):
            rows = range(first, min(first + 64, len(part)))
            pictures = np.stack([part.pictures(item, range(part.views)) for item in rows])
            moved = torch.from_numpy(pictures).to(self.device).permute(0, 1, 4, 2, 3)
            self._place("pictures", start + first, moved)
            if self.encoder is not None:
                encoded = self.encoder.moments(moved[:, :, :3].flatten(0, 1).float() / 255)
                self._place("moments", start + first, encoded.half().unflatten(0, moved.shape[:2]))
        assert end <= self._capacity

    @property
    def _capacity(self) -> int:
        return sum(len(shard.seeds) for shard in self.sets.shards(self.kinds))

    def _place(self, name: str, start: int, values: Tensor) -> None:
        if name not in self._held:
            shape = (self._capacity, self.sets.views_per_object, *values.shape[2:])
            self._held[name] = torch.zeros(shape, dtype=values.dtype, device=self.device)
        self._held[name][start : start + len(values), : values.shape[1]] = values


def over(rgba: UInt8[np.ndarray, "*n 4"], background: Any) -> UInt8[np.ndarray, "*n 3"]:
    """Composite straight colour and alpha over a background in [0, 1]."""
    image = rgba.astype(np.float32)
    alpha = image[..., 3:] / 255
    return (image[..., :3] * alpha + 255 * background * (1 - alpha) + 0.5).astype(np.uint8)


def over_background(rgba: UInt8[np.ndarray, "views size size 4"], item: int) -> UInt8[np.ndarray, "views size size 3"]:
    """Return an object's views over white; every second one over a background that depends on its number only."""
    background = np.ones((*rgba.shape[:3], 3), np.float32)
    rng = np.random.default_rng([item, 77])
    for view in range(0, len(rgba), 2):
        background[view] = random_background(rng, rgba.shape[1])
    return over(rgba, background)


def _mapped(path: Path, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Open an array in a file; a missing file is created with zeros."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        open_memmap(partial, "w+", dtype, shape).flush()
        partial.replace(path)
    return np.load(path, mmap_mode="r+")
