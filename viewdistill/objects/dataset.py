"""Data sets of rendered objects: built by several processes, resumable, read as memory maps.

A folder holds ``rgba.npy`` uint8 [N, V, S, S, 4] (straight colour and alpha), ``cameras.npy`` float32 [N, V, 3]
(azimuth and elevation in degrees, distance), ``captions.json`` and ``seeds.json`` (N entries each), ``manifest.json``
(settings and their fingerprint) and ``done/`` (one file per finished shard; it holds the shard's captions).
"""

import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from viewdistill.cameras import DISTANCE, FOVY_ZERO123
from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError
from viewdistill.files import write_json
from viewdistill.objects.generator import PATTERNED_SEEDS, PATTERNED_TEST_SEEDS, generate
from viewdistill.objects.render import poses, render
from viewdistill.objects.shading import Light, random_flat_light, random_light

FORMAT = 1
"""Version; incremented whenever the same settings give other bytes: other objects, cameras or lights."""

REMEDY = "delete the folder and render it again"
"""Advice for a damaged file beside the images."""

FLAT_SHARE = 0.4
"""Share of patterned objects in a nearly uniform light."""


@dataclass(frozen=True)
class RenderSettings:
    """Cameras, lights and sizes of a data set."""

    views_per_object: int = 12
    size: int = 64
    """Side of the images, pixels."""
    supersample: int = 2
    fovy: float = FOVY_ZERO123
    """Vertical field of view, degrees."""
    distance: float = DISTANCE
    """Distance of the cameras from the origin, world units."""
    elevation_range: tuple[float, float] = (-20.0, 70.0)
    """Degrees; uniform in the sine, which is uniform on the sphere."""
    light_per_view: bool = False
    """One light for each view (for the text-conditioned model) instead of one, fixed to the world, for each object."""


@dataclass(frozen=True)
class RenderedObjects:
    """A finished data set; the arrays are memory maps."""

    rgba: UInt8[np.ndarray, "objects views size size 4"]
    """Straight colour and alpha."""
    cameras: Float[np.ndarray, "objects views 3"]
    """Azimuth and elevation in degrees, distance; float32."""
    captions: list[str]
    seeds: list[int]


def sample_cameras(seed: int, settings: RenderSettings) -> Float[np.ndarray, "views 3"]:
    """Return the cameras of an object: azimuth and elevation in degrees, distance; float32."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    azimuth = rng.uniform(-180, 180, settings.views_per_object)
    low, high = np.sin(np.deg2rad(settings.elevation_range))
    elevation = np.rad2deg(np.arcsin(rng.uniform(low, high, settings.views_per_object)))
    return np.stack([azimuth, elevation, np.full_like(azimuth, settings.distance)], -1).astype(np.float32)


def render_object(seed: int, settings: RenderSettings) -> tuple[UInt8[np.ndarray, "views size size 4"], str]:
    """Return the views of one object of a data set, and its caption."""
    obj = generate(seed)
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    lights = [_light(seed, rng) for _ in range(settings.views_per_object if settings.light_per_view else 1)]
    cameras = sample_cameras(seed, settings).astype(np.float64)
    c2w = poses(cameras[:, 0].tolist(), cameras[:, 1].tolist(), settings.distance)
    light = lights if settings.light_per_view else lights[0]
    return render(obj, c2w, settings.fovy, settings.size, settings.supersample, light).rgba, obj.caption


def _light(seed: int, rng: np.random.Generator) -> Light:
    """Draw a light; patterned objects are often in a nearly uniform one, which hardly shows their shape."""
    patterned = seed in PATTERNED_SEEDS or seed in PATTERNED_TEST_SEEDS
    return random_flat_light(rng) if patterned and rng.uniform() < FLAT_SHARE else random_light(rng)


def build(
    folder: Path,
    seeds: Sequence[int],
    settings: RenderSettings | None = None,
    processes: int = 2,
    objects_per_shard: int = 64,
    verbose: bool = False,
) -> RenderedObjects:
    """Render the missing part of a data set, and open it.

    Args:
        folder: The data set's folder.
        seeds: Its objects, in order.
        settings: Cameras, lights, sizes.
        processes: Rendering processes; 0 renders in this one.
        objects_per_shard: Objects per shard, after which a killed build can resume.
        verbose: Print a line after every twentieth of the work.

    Raises:
        ViewDistillError: The folder holds a data set of other settings.
    """
    settings = settings or RenderSettings()
    _claim(folder, seeds, settings, objects_per_shard)
    starts = range(0, len(seeds), objects_per_shard)
    shards = [(k, list(seeds[start : start + objects_per_shard])) for k, start in enumerate(starts)]
    _allocate(folder, len(seeds), settings, objects_per_shard)
    missing = [(k, part) for k, part in shards if not _marker(folder, k).exists()]
    jobs = [(folder, k * objects_per_shard, k, part, settings) for k, part in missing]
    if processes == 0:
        for job in jobs:
            _render_shard(*job)
    elif jobs:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker) as pool:
            futures = [pool.submit(_render_shard, *job) for job in jobs]
            for count, future in enumerate(as_completed(futures), 1):
                future.result()
                if verbose and count % max(1, len(jobs) // 20) == 0:
                    print(f"{folder.name}: {count}/{len(jobs)} shards rendered", flush=True)
    if not (folder / "captions.json").exists():
        cameras = [sample_cameras(seed, settings) for seed in seeds]
        np.save(folder / "cameras.npy", np.stack(cameras))
        captions = [caption for k, _ in shards for caption in read_json(_marker(folder, k), REMEDY)]
        write_json(folder / "seeds.json", list(seeds))
        write_json(folder / "captions.json", captions)
    return load(folder)


def load(folder: Path) -> RenderedObjects:
    """Open a finished data set without reading the images.

    Raises:
        ViewDistillError: The folder holds no data set, or an unfinished one.
    """
    try:
        captions = read_json(folder / "captions.json")
        return RenderedObjects(
            rgba=np.load(folder / "rgba.npy", mmap_mode="r"),
            cameras=np.load(folder / "cameras.npy", mmap_mode="r"),
            captions=captions,
            seeds=read_json(folder / "seeds.json"),
        )
    except (OSError, ValueError, ViewDistillError) as error:
        raise ViewDistillError(f"{folder}: no finished data set of rendered objects here; build it first") from error


def _claim(folder: Path, seeds: Sequence[int], settings: RenderSettings, objects_per_shard: int) -> None:
    """Write the manifest, or compare it with an existing one."""
    content = {"format": FORMAT, "objects_per_shard": objects_per_shard, **asdict(settings), "objects": len(seeds)}
    fingerprint = hashlib.sha256(json.dumps([content, list(seeds)]).encode()).hexdigest()
    manifest = folder / "manifest.json"
    if manifest.exists():
        if read_json(manifest, REMEDY).get("fingerprint") != fingerprint:
            raise ViewDistillError(f"{folder}: holds a data set of other settings; delete it or choose another folder")
        return
    (folder / "done").mkdir(parents=True, exist_ok=True)
    write_json(manifest, {**content, "fingerprint": fingerprint})


def _allocate(folder: Path, objects: int, settings: RenderSettings, objects_per_shard: int) -> None:
    """Extend ``rgba.npy`` to its full size; truncated shards no longer count as done."""
    path, size = folder / "rgba.npy", settings.size
    shape = (objects, settings.views_per_object, size, size, 4)
    if not path.exists():
        for marker in (folder / "done").iterdir():
            marker.unlink()
        (folder / "captions.json").unlink(missing_ok=True)
        partial = path.with_suffix(".partial")
        np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape).flush()
        partial.replace(path)
    bytes_per_object = int(np.prod(shape[1:]))
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        header = file.tell()
    kept = (path.stat().st_size - header) // bytes_per_object
    if kept >= objects:
        return
    (folder / "captions.json").unlink(missing_ok=True)
    for shard in range(kept // objects_per_shard, -(-objects // objects_per_shard)):
        _marker(folder, shard).unlink(missing_ok=True)
    os.truncate(path, header + objects * bytes_per_object)


def _render_shard(folder: Path, first: int, shard: int, seeds: list[int], settings: RenderSettings) -> None:
    rgba = np.load(folder / "rgba.npy", mmap_mode="r+")
    captions: list[str] = []
    for index, seed in enumerate(seeds, first):
        rgba[index], caption = render_object(seed, settings)
        captions.append(caption)
    rgba.flush()
    write_json(_marker(folder, shard), captions)


def _marker(folder: Path, shard: int) -> Path:
    return folder / "done" / f"{shard:06d}.json"


def _start_worker() -> None:
    """Limit a rendering process to one thread, since all share the cores, and let it end with its parent."""
    torch.set_num_threads(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """End this process when its parent is gone: a killed parent cannot end its pool, which would wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
