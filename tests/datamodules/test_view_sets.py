import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.view_sets import RIG_CAMERAS, load_view_set
from viewdistill.errors import ViewDistillError
from viewdistill.metrics.protocols import rig


def grey(level: int, size: int = 16) -> Image.Image:
    return Image.new("RGB", (size, size), (level, level, level))


@pytest.fixture
def posed(tmp_path: Path) -> Path:
    """Two views with foreign names, one RGBA and one RGB."""
    save_cameras(tmp_path, [ViewCamera(0.0, 20.0), ViewCamera(90.0, -10.0, 2.0, 40.0)])
    content = json.loads((tmp_path / "cameras.json").read_text())
    for view, name in zip(content["views"], ("front.png", "left.jpg"), strict=True):
        view["file"] = name
    (tmp_path / "cameras.json").write_text(json.dumps(content))
    Image.new("RGBA", (16, 16), (255, 0, 0, 128)).save(tmp_path / "front.png")
    grey(100).save(tmp_path / "left.jpg")
    return tmp_path


def rig_folder(folder: Path, digits: int = 3) -> Path:
    for index in range(16):
        grey(10 * index).save(folder / f"{index:0{digits}d}.png")
    return folder


def test_cameras_from_a_file_and_pictures_over_white(posed: Path):
    views = load_view_set(posed)
    assert views.cameras[1] == ViewCamera(90.0, -10.0, 2.0, 40.0)
    assert views.fovy == [49.134, 40.0]
    assert views.c2w[1].tolist() == views.cameras[1].c2w.tolist()
    assert views.rgb[0, :, 0, 0].tolist() == pytest.approx([1, 127 / 255, 127 / 255], abs=1e-6)
    assert views.rgb[1, 0, 8, 8].item() == pytest.approx(100 / 255, abs=0.01)
    assert (views.layout, views.depth) == ("cameras.json", None)


def test_depth_beside_the_views(posed: Path):
    content = json.loads((posed / "cameras.json").read_text())
    counts = np.zeros((16, 16), np.uint16)
    counts[3, 5] = 9000
    for index, view in enumerate(content["views"]):
        view["depth"] = f"depth{index}.png"
        Image.fromarray(counts).save(posed / view["depth"])
    (posed / "cameras.json").write_text(json.dumps({**content, "depth_scale": 1e-4, "depth_offset": 0.25}))
    depth = load_view_set(posed).depth
    assert depth is not None
    assert depth[1, 3, 5] == pytest.approx(0.9 + 0.25)
    assert np.count_nonzero(depth) == 2
    for scale in ({}, {"depth_scale": 0}, {"depth_scale": "x"}):
        (posed / "cameras.json").write_text(json.dumps({**content, **scale}))
        with pytest.raises(ViewDistillError, match="depth_scale"):
            load_view_set(posed)
    (posed / "cameras.json").write_text(json.dumps({**content, "depth_scale": 1e-4}))
    grey(3).convert("L").save(posed / "depth1.png")
    with pytest.raises(ViewDistillError, match=r"depth1\.png: not a square 16-bit"):
        load_view_set(posed)
    (posed / "depth1.png").unlink()
    with pytest.raises(ViewDistillError, match=r"depth1\.png: no such file; save it as a 16-bit PNG"):
        load_view_set(posed)


@pytest.mark.parametrize("digits", [1, 3])
def test_syncdreamers_folder(tmp_path: Path, digits: int):
    views = load_view_set(rig_folder(tmp_path, digits))
    assert (views.layout, len(views.cameras)) == ("SyncDreamer folder", 16)
    assert views.rgb[:, 0, 0, 0].tolist() == pytest.approx([index * 10 / 255 for index in range(16)])
    np.testing.assert_allclose(views.c2w.numpy(), rig().numpy(), atol=1e-6)


def test_syncdreamers_depth(tmp_path: Path):
    rig_folder(tmp_path)
    counts = np.full((16, 16), 65535, np.uint16)
    counts[0, :3] = 0, 32768, 1200  # 0.6, the middle, and 0.633
    for index in range(16):
        Image.fromarray(counts).save(tmp_path / f"{index:03d}-depth.png")
    depth = load_view_set(tmp_path).depth
    assert depth is not None
    assert depth[7, 0, 1] == pytest.approx(1.5, abs=1e-4)
    assert depth[7, 0, 2] == pytest.approx(0.6 + 1200 / 65535 * 1.8)
    assert np.count_nonzero(depth[7]) == 2


def test_syncdreamers_strip(tmp_path: Path):
    strip = np.concatenate([np.asarray(grey(10 * index)) for index in range(16)], 1)
    Image.fromarray(strip).save(tmp_path / "0.png")
    views = load_view_set(tmp_path / "0.png")
    assert views.rgb.shape == (16, 3, 16, 16)
    assert views.rgb[:, 1, 4, 4].tolist() == pytest.approx([index * 10 / 255 for index in range(16)])
    assert views.cameras == RIG_CAMERAS


def test_bad_folders(tmp_path: Path, posed: Path):
    with pytest.raises(ViewDistillError, match="no such folder"):
        load_view_set(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ViewDistillError, match=r"neither cameras\.json nor SyncDreamer's 16 pictures"):
        load_view_set(tmp_path / "empty")
    grey(5).save(tmp_path / "one.png")
    with pytest.raises(ViewDistillError, match="16 x 16 pixels are not 16 square views"):
        load_view_set(tmp_path / "one.png")
    grey(5, 20).save(posed / "left.jpg")
    with pytest.raises(ViewDistillError, match=r"left\.jpg: 20 x 20 pixels; views must be square and all of one size"):
        load_view_set(posed)
    (posed / "left.jpg").write_bytes(b"no picture")
    with pytest.raises(ViewDistillError, match=r"left\.jpg"):
        load_view_set(posed)
    save_cameras(posed, [])
    with pytest.raises(ViewDistillError, match="lists no views"):
        load_view_set(posed)


def test_a_folder_of_a_run(tmp_path: Path):
    for index in range(2):
        save_view(tmp_path, index, np.full((16, 16, 4), (0, 255, 0, 255), np.uint8))
    save_cameras(tmp_path, list(RIG_CAMERAS[:2]))
    assert load_view_set(tmp_path).rgb[1, :, 0, 0].tolist() == [0, 1, 0]
