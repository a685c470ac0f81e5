"""Requests for images that are not there yet, and what decides where they go."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.class_image_cache import ClassImageCache
from datamodules.novel_views import NovelViewCameras
from datamodules.runs.run_folder import RunFolder
from datamodules.sampled_images import batches_of
from viewdistill.errors import ViewDistillError


@given(st.integers(1, 100), st.integers(1, 20))
def test_batches_hold_every_index_once_and_in_order(count: int, size: int) -> None:
    batches = batches_of(count, size)
    assert [index for batch in batches for index in batch] == list(range(count))
    assert {len(batch) for batch in batches[:-1]} <= {size}


def test_only_batches_with_a_missing_image_are_requested_and_whole(run_folder: RunFolder) -> None:
    data = NovelViewCameras(str(run_folder.root), count=7, elevation=None, images_per_batch=3)
    run_folder.novel_views.mkdir()
    for index in (0, 1, 2, 4, 6):
        data.paths[index].touch()
    data.setup("predict")
    batches: Any = list(data.predict_dataloader())
    assert data.missing == {3, 5}
    assert [batch.indices.tolist() for batch in batches] == [[3, 4, 5]]
    assert batches[0].relative_pose.shape == (3, 4)
    assert batches[0].elevation == 20.0


def test_cameras_surround_the_object_at_the_inputs_elevation_or_another(run_folder: RunFolder) -> None:
    data = NovelViewCameras(str(run_folder.root), count=3, elevation=None, images_per_batch=8)
    data.setup("predict")
    assert [(camera.azimuth_deg, camera.elevation_deg) for camera in data.cameras] == [(90, 20), (180, 20), (270, 20)]
    # T of the view behind the object at the same elevation and distance.
    batch: Any = next(iter(data.predict_dataloader()))
    torch.testing.assert_close(batch.relative_pose[1], torch.tensor([0.0, 0.0, -1.0, 0.0]), atol=1e-6, rtol=0)
    data.elevation = -5.0
    assert {camera.elevation_deg for camera in data.cameras} == {-5.0}


@pytest.mark.parametrize(("count", "elevation", "problem"), [(0, None, "at least 1"), (1, 91.0, "-90 to 90")])
def test_impossible_cameras_are_refused(count: int, elevation: float | None, problem: str) -> None:
    with pytest.raises(ViewDistillError, match=problem):
        NovelViewCameras("runs/disc", count, elevation, images_per_batch=1)


def cache(folder: RunFolder, prior: Path, **changes: Any) -> ClassImageCache:
    """A cache as the trainer of a sampling module with these settings sets it up."""
    own = {"template": "a {}", "count": 3, "images_per_batch": 2}
    data = ClassImageCache(str(folder.root), cache="cache", **{name: changes.pop(name, own[name]) for name in own})
    module = SimpleNamespace(hparams={"prior": str(prior), "seed": 0, **changes})
    data.trainer = cast(Any, SimpleNamespace(lightning_module=module))
    data.setup("predict")
    return data


def test_the_folder_in_the_cache_follows_from_prior_and_sampling_alone(
    run_folder: RunFolder, tiny_prior_folder: Path, tmp_path: Path
) -> None:
    prior = tiny_prior_folder / "stable-diffusion"
    first = cache(run_folder, prior)
    assert first.images.folder.parts[0] == "cache"
    assert first.images.folder.name == "object"
    (elsewhere := tmp_path / "elsewhere").symlink_to(prior)
    assert cache(run_folder, elsewhere).images.folder == first.images.folder
    others = [{"seed": 1}, {"template": "photo of a {}"}, {"count": 4}, {"images_per_batch": 3}]
    folders = {cache(run_folder, prior, **changes).images.folder for changes in others}
    assert len(folders | {first.images.folder}) == 5
