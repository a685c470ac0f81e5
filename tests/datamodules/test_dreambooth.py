"""The two sets of each DreamBooth stage: the right images under the right prompts, drawn by (seed, step)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.class_images import ClassImages, folder_name
from datamodules.dreambooth import DreamBooth
from datamodules.prompts import Prompts
from datamodules.runs.run_folder import RunFolder, read_json, write_json
from datamodules.seeding import image_noise
from tests.dreambooth_stages import finish_class_images, finish_novel_views
from viewdistill.errors import ViewDistillError
from viewdistill.pictures import over_white, resize, to_tensor


@pytest.fixture
def folder(run_folder: RunFolder, tmp_path: Path) -> RunFolder:
    finish_novel_views(run_folder)
    finish_class_images(run_folder, tmp_path / "cache")
    return run_folder


def data(folder: RunFolder, stage: int, identifier: str = "vvv", seed: int = 0) -> DreamBooth:
    built = DreamBooth(str(folder.root), stage, identifier, 4, 3, image_size=8, seed=seed)  # type: ignore[arg-type]
    built.setup("fit")
    return built


def test_stage_1_teaches_the_object_and_holds_the_class(folder: RunFolder) -> None:
    first = data(folder, 1)
    assert first.instances.prompt == "a vvv mug"
    assert first.negatives.prompt == "a mug"
    assert first.instances.images.shape == (3, 3, 8, 8)  # the input and two novel views
    assert first.instances[0][:, 0, 0].tolist() == pytest.approx([1, 1, 1])  # the input over white
    assert float(first.instances[0][0, 2, 4]) > 0.8  # its upper half is red
    assert first.instances[1][:, 4, 4].tolist() == pytest.approx([0, 200 / 255, 0])
    assert first.negatives.images.shape == (3, 3, 8, 8)
    assert torch.allclose(first.negatives.images, torch.tensor(100 / 255))


@pytest.mark.parametrize("size", [8, 24])
def test_images_are_resized_once_from_what_is_on_disk(folder: RunFolder, size: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 4), np.uint8)
    Image.fromarray(pixels).save(folder.rgba)
    built = DreamBooth(str(folder.root), 1, "vvv", 4, 3, image_size=size)
    built.setup("fit")
    expected = resize(over_white(to_tensor(pixels)[None]), size)
    torch.testing.assert_close(built.instances.images[:1], expected.clamp(0, 1))


def test_stage_2_teaches_the_input_and_holds_the_object(folder: RunFolder) -> None:
    data(folder, 1).prompts.save(folder.prompts("specialize_1"))
    second = data(folder, 2, "sss")
    assert second.instances.prompt == "a sss vvv mug"
    assert second.negatives.prompt == "a vvv mug"
    assert len(second.instances) == 1
    assert torch.equal(second.instances.images, data(folder, 1).instances.images[:1])
    assert torch.equal(second.negatives.images, data(folder, 1).instances.images[1:])


def test_batches_are_a_function_of_seed_and_step(folder: RunFolder) -> None:
    one, other = data(folder, 1), data(folder, 1, seed=1)
    batch = one.batch(5)
    assert (len(batch.instances), len(batch.negatives)) == (4, 3)
    one.batch(6)
    assert all(torch.equal(a, b) for a, b in zip(batch, one.batch(5), strict=True))
    drawn = [torch.cat([torch.cat(x.batch(step)) for step in range(20)]) for x in (one, other)]
    assert not torch.equal(*drawn)
    assert set(drawn[0].tolist()) == {0, 1, 2}  # every image has its turn


def test_every_image_comes_once_in_each_pass(folder: RunFolder) -> None:
    one = data(folder, 1)  # 3 instances, 4 per step: 9 steps are 12 passes
    drawn = torch.cat([one.batch(step).instances for step in range(9)]).unflatten(0, (12, 3))
    assert (drawn.sort(1).values == torch.arange(3)).all()
    assert len({tuple(row) for row in drawn.tolist()}) > 1
    negatives = torch.cat([one.batch(step).negatives for step in range(9)]).unflatten(0, (9, 3))
    assert not torch.equal(negatives, drawn[:9])


def test_the_stream_starts_at_step_0_without_a_trainer(folder: RunFolder) -> None:
    one = data(folder, 1)
    stream = iter(one.train_dataloader())
    for step in range(2):
        assert all(torch.equal(a, b) for a, b in zip(next(stream), one.batch(step), strict=True))


def test_both_stages_need_an_identifier_of_their_own(folder: RunFolder) -> None:
    data(folder, 1).prompts.save(folder.prompts("specialize_1"))
    with pytest.raises(ViewDistillError, match="already used by stage 1"):
        data(folder, 2, "vvv")
    with pytest.raises(ViewDistillError, match="identifier is empty"):
        data(folder, 1, " ")


def test_what_is_missing_is_named(folder: RunFolder, run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match=r"prompts\.json: no such file"):
        data(folder, 2)
    images = ClassImages.load(folder)
    images.paths[1].unlink()
    with pytest.raises(ViewDistillError, match=r"001\.png: no longer in the cache; run `viewdistill class-images"):
        data(folder, 1)
    record = read_json(folder.record("class_images"))
    del record["figures"]["count"]
    write_json(folder.record("class_images"), record)
    with pytest.raises(ViewDistillError, match="figures"):
        data(folder, 1)
    folder.record("class_images").unlink()
    with pytest.raises(ViewDistillError, match="no complete class_images stage"):
        data(folder, 1)


def test_class_images_come_back_from_the_record(folder: RunFolder, tmp_path: Path) -> None:
    assert ClassImages.load(folder) == ClassImages(Prompts("a {}", "mug"), tmp_path / "cache", 3)


def test_class_words_have_folders_of_their_own() -> None:
    words = ["mug", "toy horse", "toy-horse", "../mug", "Mug", "杯"]
    names = [folder_name(word) for word in words]
    assert names[0] == "mug"
    assert len(set(names)) == len(words)
    assert not any("/" in name or name.startswith(".") for name in names)


def test_noise_of_an_image_depends_on_seed_and_index_alone() -> None:
    together = image_noise(3, [0, 1, 2], (4, 2, 2))
    assert torch.equal(image_noise(3, [2], (4, 2, 2))[0], together[2])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(image_noise(4, [0], (4, 2, 2))[0], together[0])
