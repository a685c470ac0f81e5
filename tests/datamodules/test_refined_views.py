"""Rays of posed views, and what each view counts for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from datamodules.posed_views import PosedViews, ViewCamera, save_cameras, save_view
from datamodules.refined_views import RefinedViewRays, ViewWeights, pixel_rays
from datamodules.runs.run_folder import RunFolder
from viewdistill.cameras import project
from viewdistill.errors import ViewDistillError

CAMERAS = (ViewCamera(0.0, 20.0), ViewCamera(90.0, 0.0, fovy_deg=40.0), ViewCamera(180.0, -20.0, distance=2.0))


def position_views(size: int = 8) -> PosedViews:
    """Views whose red and green are the pixel's column and row, and whose blue is the view."""
    row, column = np.mgrid[0:size, 0:size]
    views = [np.stack([column, row, np.full_like(row, i), np.full_like(row, 255)], -1) for i in range(len(CAMERAS))]
    return PosedViews(torch.from_numpy(np.stack(views)).movedim(-1, 1).float() / 255, CAMERAS)


@pytest.fixture
def with_views(run_folder: RunFolder) -> RunFolder:
    """A finished views stage of three plain views; the renders before refinement are darker."""
    for folder, value in ((run_folder.refined_views, 200), (run_folder.raw_views, 100)):
        for index in range(len(CAMERAS)):
            save_view(folder, index, np.full((8, 8, 4), value, np.uint8))
        save_cameras(folder, CAMERAS)
    return run_folder


def loaded(folder: RunFolder, **settings: object) -> RefinedViewRays:
    data = RefinedViewRays(str(folder.root), rays_per_step=20, input_rays=10, input_size=16, **settings)  # type: ignore[arg-type]
    data.setup("fit")
    return data


def test_every_ray_goes_through_its_pixel() -> None:
    batch = pixel_rays(position_views(), torch.tensor([1.0, 2.0, 0.5]))
    assert len(batch.alpha) == 3 * 64
    column, row, view = (batch.rgb * 255).round().long().unbind(-1)
    for index, camera in enumerate(CAMERAS):
        of_view = view == index
        points = (batch.origins + 1.3 * batch.directions)[of_view]
        pixels, depth = project(points, camera.c2w, camera.fovy_deg, 8, 8)
        expected = torch.stack([column, row], -1)[of_view] + 0.5
        torch.testing.assert_close(pixels, expected, atol=1e-3, rtol=0)
        assert (depth > 0).all()
    assert batch.weights[[0, 64, 128]].tolist() == [1, 2, 0.5]


def test_colours_over_a_background() -> None:
    batch = pixel_rays(PosedViews(torch.tensor([1.0, 0.0, 0.5, 0.25]).view(1, 4, 1, 1), CAMERAS[:1]), torch.ones(1))
    assert batch.over(torch.tensor([0.0, 1.0, 1.0])).tolist() == [[0.25, 0.75, 0.875]]


def test_views_from_behind_count_for_less_where_asked() -> None:
    cameras = tuple(ViewCamera(azimuth, 0.0) for azimuth in (0.0, 90.0, 180.0))
    views = PosedViews(torch.ones(3, 4, 2, 2), cameras)
    front = cameras[0].c2w
    assert ViewWeights().of(views, front[None]).tolist() == [1, 1, 1]
    assert ViewWeights(opposite=0.0).of(views, front[None]).tolist() == pytest.approx([2, 1, 0], abs=1e-6)
    assert ViewWeights(opposite=0.5).of(views, front[None]).tolist() == pytest.approx([4 / 3, 1, 2 / 3])


def test_misty_views_count_for_less_where_asked() -> None:
    rgba = torch.ones(2, 4, 2, 2)
    rgba[1, 3] = torch.tensor([[0.0, 0.75], [0.75, 0.75]])  # half certain where there is anything
    views = PosedViews(rgba, CAMERAS[:2])
    assert ViewWeights().of(views, CAMERAS[0].c2w[None]).tolist() == [1, 1]
    assert ViewWeights(opacity_power=1.0).of(views, CAMERAS[0].c2w[None]).tolist() == pytest.approx([4 / 3, 2 / 3])
    empty = PosedViews(torch.zeros(2, 4, 2, 2), CAMERAS[:2])
    assert torch.isfinite(ViewWeights(opacity_power=1.0).of(empty, CAMERAS[0].c2w[None])).all()


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ViewDistillError, match="negative"):
        ViewWeights(opposite=-1.0)


def test_a_batch_is_a_function_of_seed_and_step(with_views: RunFolder) -> None:
    data, other = loaded(with_views), loaded(with_views, seed=1)
    first, again = data.batch(7), loaded(with_views).batch(7)
    assert all(torch.equal(a, b) for pair in zip(first, again, strict=True) for a, b in zip(*pair, strict=True))
    for different in (data.batch(8), other.batch(7)):
        assert not torch.equal(first.views.directions, different.views.directions)
    assert (len(first.views.alpha), len(first.input.alpha)) == (20, 10)
    stream = iter(data.train_dataloader())
    next(stream)
    assert torch.equal(next(stream).views.directions, data.batch(1).views.directions)


def test_processes_share_the_rays_of_a_step(with_views: RunFolder) -> None:
    data = loaded(with_views)
    whole, parts = data.batch(3), []
    for rank in range(2):
        data.trainer = cast(Any, SimpleNamespace(global_rank=rank, world_size=2, global_step=0))
        parts.append(data.own_batch(3))
    for name in ("views", "input"):
        rays = [getattr(part, name).directions for part in parts]
        assert torch.equal(torch.stack(rays, 1).flatten(0, 1), getattr(whole, name).directions)


def test_the_source_is_the_refined_views_or_the_renders_before(with_views: RunFolder) -> None:
    assert loaded(with_views).views.rgb.unique().tolist() == pytest.approx([200 / 255])
    assert loaded(with_views, source="raw").views.rgb.unique().tolist() == pytest.approx([100 / 255])


def test_the_input_view_is_straight_again(with_views: RunFolder) -> None:
    data = loaded(with_views)
    rgb, mask = data.input_view.resized(16)
    torch.testing.assert_close(data.input.over(torch.ones(3)), rgb[0].flatten(1).T, atol=1e-4, rtol=0)
    assert torch.equal(data.input.alpha, mask.flatten())
    covered = data.input.rgb[data.input.alpha > 0.5]
    assert covered[:, 1].max() < 0.01  # no white of the page is left in the red and blue disc


def test_missing_views_name_the_stage(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="run the stage"):
        RefinedViewRays(str(run_folder.root)).setup("fit")


@pytest.mark.parametrize("name", ["rays_per_step", "input_rays", "input_size"])
def test_sizes_below_one_are_refused(run_folder: RunFolder, name: str) -> None:
    with pytest.raises(ViewDistillError, match=name):
        RefinedViewRays(str(run_folder.root), **{name: 0})  # type: ignore[arg-type]


def test_pictures_are_of_the_ring(with_views: RunFolder, tmp_path: Path) -> None:
    data = loaded(with_views, ring_views=3)
    (ring,) = list(data.val_dataloader())
    assert ring.azimuth.tolist() == [0, 120, 240]
