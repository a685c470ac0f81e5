import numpy as np
import pytest
import torch

from datamodules.posed_views import ViewCamera, clear_views, save_cameras, save_view
from datamodules.prompts import Prompts
from datamodules.rendered_views import FieldRenders, ring
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import ViewDistillError


def test_the_input_camera_comes_first(run_folder: RunFolder) -> None:
    cameras = FieldRenders(str(run_folder.root)).cameras()
    assert len(cameras) == 17
    assert (cameras[0].azimuth_deg, cameras[0].elevation_deg) == (0, 20)
    assert len(set(cameras)) == 17


def test_the_ring_is_even_in_azimuth_and_spread_in_elevation() -> None:
    azimuth, elevation = np.array(ring(16, (0.0, 30.0))).T
    assert np.diff(azimuth).tolist() == pytest.approx([22.5] * 15)
    assert azimuth[0] == pytest.approx(11.25)
    assert elevation.min() >= 0
    assert elevation.max() <= 30
    assert np.diff(np.sort(elevation)).max() < 4  # no gap in 30 degrees


def test_listed_angles_take_the_place_of_the_ring(run_folder: RunFolder) -> None:
    cameras = FieldRenders(str(run_folder.root), angles=[(90.0, 45.0)]).cameras()
    assert [(c.azimuth_deg, c.elevation_deg) for c in cameras] == [(0, 20), (90, 45)]


def test_any_list_of_cameras_is_taken_as_it_is(run_folder: RunFolder) -> None:
    listed = [ViewCamera(1.0, 2.0, 3.0, 40.0)]
    save_cameras(run_folder.root / "mine", listed)
    data = FieldRenders(str(run_folder.root), cameras_from=str(run_folder.root / "mine"))
    assert data.cameras() == listed


@pytest.mark.parametrize("wrong", [{"elevation_range": (30.0, 0.0)}, {"angles": [(0.0, 91.0)]}, {"count": -1}])
def test_senseless_cameras_are_refused(run_folder: RunFolder, wrong: dict[str, object]) -> None:
    with pytest.raises(ViewDistillError, match="data"):
        FieldRenders(str(run_folder.root), **wrong)  # type: ignore[arg-type]


def test_renders_come_in_order_over_white(run_folder: RunFolder) -> None:
    for index in range(3):
        save_view(run_folder.raw_views, index, np.full((4, 4, 4), (0, 0, 0, 100 * index), np.uint8))
    save_cameras(run_folder.raw_views, [ViewCamera(float(a), 0.0) for a in range(3)])
    Prompts("a {}", "mug", "vvv", "sss").save(run_folder.prompts("specialize_2"))
    data = FieldRenders(str(run_folder.root), views_per_batch=2)
    data.setup("predict")
    first, second = data.predict_dataloader()
    assert first.indices.tolist() == [0, 1]
    assert second.indices.tolist() == [2]
    assert torch.allclose(first.opacity[1], torch.tensor(100 / 255))
    assert torch.allclose(first.images[1], torch.tensor(155 / 255))


def test_clearing_a_folder_leaves_what_is_no_view(run_folder: RunFolder) -> None:
    save_view(run_folder.novel_views, 0, np.zeros((4, 4, 4), np.uint8))
    save_cameras(run_folder.novel_views, [ViewCamera(0.0, 0.0)])
    (run_folder.novel_views / "config.yaml").write_text("")
    clear_views(run_folder.novel_views)
    assert [path.name for path in run_folder.novel_views.iterdir()] == ["config.yaml"]
