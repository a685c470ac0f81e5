"""The data set builder: what it writes, and that it resumes after every kind of interruption."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewdistill.cameras import FOVY_ZERO123
from viewdistill.errors import ViewDistillError
from viewdistill.objects import dataset
from viewdistill.objects.dataset import RenderSettings, build, load, render_object, sample_cameras
from viewdistill.objects.generator import generate
from viewdistill.objects.preview import contact_sheet
from viewdistill.objects.render import poses, render
from viewdistill.objects.shading import random_light

SETTINGS = RenderSettings(views_per_object=3, size=16)
SEEDS = [7, 3, 11, 10_000_000, 5]


def build_small(folder: Path) -> dataset.RenderedObjects:
    return build(folder, SEEDS, SETTINGS, processes=0, objects_per_shard=2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects") / "small"
    build_small(folder)
    return folder


def test_a_data_set_holds_what_the_renderer_shows(finished: Path) -> None:
    data = load(finished)
    assert data.rgba.shape == (5, 3, 16, 16, 4)
    assert data.seeds == SEEDS
    obj, azimuth_elevation = generate(11), data.cameras[2].astype(float)
    light = random_light(np.random.Generator(np.random.PCG64([11, 2])))
    c2w = poses(azimuth_elevation[:, 0].tolist(), azimuth_elevation[:, 1].tolist())
    np.testing.assert_array_equal(data.rgba[2], render(obj, c2w, FOVY_ZERO123, 16, 2, light).rgba)
    assert data.captions[2] == obj.caption
    assert data.rgba[..., 3].max() == 255


def test_cameras_are_uniform_on_the_sphere_between_the_elevations() -> None:
    cameras = sample_cameras(0, RenderSettings(views_per_object=4000))
    assert (cameras[:, 2] == np.float32(1.5)).all()
    height = np.sin(np.deg2rad(cameras[:, 1]))
    low, high = np.sin(np.deg2rad([-20, 70]))
    assert low <= height.min()
    assert height.max() <= high + 1e-6
    assert height.mean() == pytest.approx((low + high) / 2, abs=0.02)
    assert height.std() == pytest.approx((high - low) / np.sqrt(12), abs=0.01)
    assert np.abs(np.exp(1j * np.deg2rad(cameras[:, 0])).mean()) < 0.05


def test_two_processes_write_the_same_bytes_as_none(finished: Path, tmp_path: Path) -> None:
    build(tmp_path / "objects", SEEDS, SETTINGS, processes=2, objects_per_shard=2)
    assert (tmp_path / "objects" / "rgba.npy").read_bytes() == (finished / "rgba.npy").read_bytes()


def test_a_finished_data_set_is_not_rendered_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "render_object", None)
    assert build_small(finished).captions == load(finished).captions


def test_an_interrupted_build_renders_only_what_is_missing(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []

    def interrupted(seed: int, settings: RenderSettings) -> object:
        rendered.append(seed)
        if len(rendered) == 4:
            raise KeyboardInterrupt
        return render_object(seed, settings)

    monkeypatch.setattr(dataset, "render_object", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_small(tmp_path / "objects")
    with pytest.raises(ViewDistillError, match="no finished data set"):
        load(tmp_path / "objects")
    build_small(tmp_path / "objects")
    assert rendered == [7, 3, 11, 10_000_000, 11, 10_000_000, 5]
    assert (tmp_path / "objects" / "rgba.npy").read_bytes() == (finished / "rgba.npy").read_bytes()


def test_a_truncated_file_is_completed(finished: Path, tmp_path: Path) -> None:
    build_small(tmp_path / "objects")
    path = tmp_path / "objects" / "rgba.npy"
    os.truncate(path, path.stat().st_size - 2 * 3 * 16 * 16 * 4 - 1)  # the last two objects and a byte of the third
    build_small(tmp_path / "objects")
    assert path.read_bytes() == (finished / "rgba.npy").read_bytes()


def test_a_lost_file_is_rendered_again(finished: Path, tmp_path: Path) -> None:
    build_small(tmp_path / "objects")
    (tmp_path / "objects" / "rgba.npy").unlink()
    build_small(tmp_path / "objects")
    assert (tmp_path / "objects" / "rgba.npy").read_bytes() == (finished / "rgba.npy").read_bytes()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the rendering processes through /proc")
def test_a_killed_build_leaves_no_process_and_resumes(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from viewdistill.objects.dataset import RenderSettings, build\n"
        "if __name__ == '__main__':\n"
        "    build(pathlib.Path(sys.argv[1]), range(60), RenderSettings(3, 16), processes=2, objects_per_shard=2)\n"
    )
    (tmp_path / "program.py").write_text(program)
    folder = tmp_path / "objects"
    running = subprocess.Popen([sys.executable, tmp_path / "program.py", folder])
    deadline = time.monotonic() + 120
    while not list(folder.glob("done/*.json")) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = children(running.pid)
    running.kill()
    running.wait()
    assert len(workers) >= 2
    done = len(list(folder.glob("done/*.json")))
    while any(Path(f"/proc/{pid}/stat").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}/stat").exists()]
    assert 0 < done < 30
    data = build(folder, range(60), RenderSettings(3, 16), processes=0, objects_per_shard=2)
    expected, _ = render_object(59, RenderSettings(3, 16))
    np.testing.assert_array_equal(data.rgba[59], expected)


def test_other_settings_do_not_overwrite_a_data_set(finished: Path) -> None:
    before = (finished / "manifest.json").read_text()
    with pytest.raises(ViewDistillError, match="holds a data set of other settings"):
        build(finished, SEEDS, RenderSettings(views_per_object=3, size=32), processes=0, objects_per_shard=2)
    with pytest.raises(ViewDistillError, match="holds a data set of other settings"):
        build(finished, SEEDS[::-1], SETTINGS, processes=0, objects_per_shard=2)
    assert (finished / "manifest.json").read_text() == before
    assert json.loads(before)["size"] == 16


def test_light_per_view_changes_the_shading_and_nothing_else() -> None:
    fixed, caption = render_object(3, SETTINGS)
    varied, same_caption = render_object(3, RenderSettings(views_per_object=3, size=16, light_per_view=True))
    assert caption == same_caption
    np.testing.assert_array_equal(fixed[..., 3], varied[..., 3])
    np.testing.assert_array_equal(fixed[0], varied[0])
    assert (fixed[1:] != varied[1:]).any()


def test_the_training_camera_sees_every_object_whole() -> None:
    for seed in range(40, 52):
        rgba, _ = render_object(seed, RenderSettings(views_per_object=4, size=32))
        border = np.concatenate([rgba[:, [0, -1]].reshape(4, -1, 4), rgba[:, :, [0, -1]].reshape(4, -1, 4)], 1)
        assert border[..., 3].max() == 0


def test_the_contact_sheet_has_a_tile_for_every_view(tmp_path: Path) -> None:
    captions = contact_sheet([0, 1, 2], tmp_path / "sheet.png", azimuths=(0.0, 180.0), size=32, columns=2)
    assert captions == [generate(seed).caption for seed in (0, 1, 2)]
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (64, 128, 3)
    tiles = pixels.reshape(2, 32, 4, 32, 3).transpose(0, 2, 1, 3, 4).reshape(8, -1)
    assert [bool((tile < 250).any()) for tile in tiles] == [True] * 6 + [False] * 2
