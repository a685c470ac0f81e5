"""Batches of rendered objects for the priors' training: a function of seed and index, taken up as they are made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from datamodules.objects.object_sets import PATTERNED_TEST, TEST, ObjectSets
from datamodules.objects.object_store import ObjectStore
from datamodules.objects.rendered_objects import SeededBatches, ViewGroups
from tests.tiny_training import BATCHES, tiny_sets
from viewdistill.objects.dataset import load


def test_batches_are_a_function_of_seed_and_index() -> None:
    """A stream begun at batch 3 gives what the whole stream gives from there on."""
    draws = [float(x) for x in SeededBatches(lambda rng: rng.random(), 5, 0, 6)]
    rest = [float(x) for x in SeededBatches(lambda rng: rng.random(), 5, 3, 3)]
    assert draws[3:] == rest
    assert len(set(draws)) == 6


def test_groups_are_views_of_one_object(trained: Path, objects: Path) -> None:
    """The pose of a wanted view leads there from the input; elevation and opacity are those of the renders."""
    data = ViewGroups(str(trained / "zero123" / "vae"), tiny_sets(objects), BATCHES, views=2, pictures=True)
    data.prepare_data()
    data.setup("fit")
    batch = data.draw(np.random.default_rng(3))
    found = [load(shard.folder) for shard in data.sets.shards(data.kinds)]
    rgba, cameras = (np.concatenate([getattr(part, name) for part in found]) for name in ("rgba", "cameras"))
    alpha = rgba[..., 3].astype(np.float32) / 255
    views = rgba.astype(np.float32).transpose(0, 1, 4, 2, 3) / 255
    views = views[:, :, :3] * views[:, :, 3:] + 1 - views[:, :, 3:]

    def find(image: torch.Tensor) -> tuple[int, int]:
        errors = np.abs(views - image.numpy()).max((2, 3, 4))
        assert errors.min() < 0.003
        item, view = np.unravel_index(errors.argmin(), errors.shape)
        return int(item), int(view)

    assert batch["pose"].shape == (4, 2, 4)
    for index, (image, elevation) in enumerate(zip(batch["image"], batch["elevation"], strict=True)):
        item, source = find(image)
        assert float(elevation) == pytest.approx(float(cameras[item, source, 1]))
        for number, pose in enumerate(batch["pose"][index]):
            row = 2 * index + number
            other, goal = find(batch["target_image"][row])
            assert item == other
            assert source != goal
            turn = np.deg2rad(cameras[item, goal, 0] - cameras[item, source, 0])
            climb = np.deg2rad(cameras[item, source, 1] - cameras[item, goal, 1])
            np.testing.assert_allclose(pose.numpy(), [climb, np.sin(turn), np.cos(turn), 0], atol=1e-5)
            np.testing.assert_allclose(batch["opacity"][row, 0].numpy(), alpha[item, goal], atol=1e-5)


def test_the_reference_may_be_wanted_itself(trained: Path, objects: Path) -> None:
    options: dict[str, Any] = {"views": 2, "latent_views": 1, "with_reference": True, "pictures": True}
    data = ViewGroups(str(trained / "zero123" / "vae"), tiny_sets(objects), BATCHES, **options)
    data.prepare_data()
    data.setup("fit")
    for batch in (data.draw(np.random.default_rng(3)), data.held_out_groups(data.held_out[1])[0]):
        references, views = batch["pose"].shape[:2]
        wanted = batch["target_image"].unflatten(0, (references, views))
        assert torch.equal(wanted[:, 0], batch["image"])
        torch.testing.assert_close(batch["pose"][:, 0], torch.tensor([0.0, 0, 1, 0]).expand(references, 4))
    assert len(data.draw(np.random.default_rng(3))["latents"]) == 4


def test_latents_are_those_of_the_autoencoder_and_are_kept(trained: Path, objects: Path) -> None:
    """The mode of a view is what the autoencoder gives for it, the second time from the file."""
    vae_folder = trained / "zero123" / "vae"
    store = ObjectStore(tiny_sets(objects), ("plain",), vae_folder)
    store.take_up()
    items, views = np.array([1, 3]), np.array([[2, 0], [1, 3]])
    pictures = store.pictures(items, views)[:, :, :3].flatten(0, 1) / 255
    vae: Any = AutoencoderKL.from_pretrained(vae_folder, torch_dtype=torch.float32)
    with torch.no_grad():
        expected = vae.encode(pictures * 2 - 1).latent_dist.mode().unflatten(0, (2, 2))
    for _ in range(2):
        torch.testing.assert_close(store.moments(items, views).chunk(2, 2)[0], expected, atol=0.03, rtol=0.01)
    again = ObjectStore(tiny_sets(objects), ("plain",), vae_folder)
    again.take_up()
    assert again.encoder is not None
    again.encoder.vae = None  # nothing can be encoded again
    torch.testing.assert_close(again.moments(items[:1], views[:1]), store.moments(items[:1], views[:1]))


def test_a_device_holds_what_a_cpu_reads_from_disk(trained: Path, objects: Path) -> None:
    """The same pictures, latents and cameras for the same numbers, of kinds with other numbers of views too."""
    sets, vae = tiny_sets(objects), trained / "zero123" / "vae"
    on_disk, held = (ObjectStore(sets, ("plain", "broad"), vae, in_memory=memory) for memory in (False, True))
    on_disk.take_up()
    held.take_up()
    items, views = on_disk.draw(np.random.default_rng(1), 6, 2)
    assert torch.equal(on_disk.pictures(items, views), held.pictures(items, views))
    torch.testing.assert_close(on_disk.moments(items, views), held.moments(items, views), atol=0.01, rtol=0.01)
    assert torch.equal(on_disk.cameras(items, views), held.cameras(items, views))


def test_objects_are_taken_up_as_they_are_rendered(objects: Path, tmp_path: Path) -> None:
    sets = ObjectSets(
        str(tmp_path), plain=4, patterned=2, broad=0, objects_per_shard=2, views_per_object=2, image_size=8
    )
    first, *rest = sets.shards(("plain", "patterned"))
    store = ObjectStore(sets, ("plain", "patterned"), None)
    sets.render(first)
    store.take_up()
    assert len(store) == 2
    for shard in rest:
        sets.render(shard)
    store.take_up()
    assert len(store) == 6
    assert len({store.captions[item] for item in range(6)}) > 3
    items, views = store.draw(np.random.default_rng(0), 50, 2)
    assert set(items) == set(range(6))
    assert (np.sort(views, 1) == [0, 1]).all()


def test_kinds_of_objects() -> None:
    """Light varies by view of broad objects only; no training seed is held out; kinds are rendered in turn."""
    sets = ObjectSets(plain=3000, patterned=3000, broad=2000)
    shards = sets.shards()
    assert {kind: sets.settings(kind).light_per_view for kind in ("plain", "patterned", "broad")} == {
        "plain": False, "patterned": False, "broad": True,
    }  # fmt: skip
    assert {shard.kind for shard in shards[:3]} == {"plain", "patterned", "broad"}
    seeds = [seed for shard in shards for seed in shard.seeds]
    assert len(seeds) == len(set(seeds)) == 8000
    held_out = {*range(10_000_000, 10_000_048), *range(30_000_000, 30_000_048)}
    assert not held_out & set(seeds)
    assert (TEST, PATTERNED_TEST) == ("test", "patterned-test")
