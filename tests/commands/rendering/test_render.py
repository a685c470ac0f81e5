"""`viewdistill render`: videos that play, frames with depth that other commands read, and paths of cameras."""

import gc
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from commands.parsing import parse
from commands.rendering.frames import normals_of
from datamodules.camera_paths import orbit, spiral
from datamodules.posed_views import ViewCamera, save_cameras
from datamodules.runs.run_folder import RunFolder, write_json
from datamodules.transforms import load_transforms
from datamodules.view_sets import load_view_set
from lightning_modules.guidance_settings import GuidanceSettings
from tests.reported_run import box_mesh, complete_run
from tests.tiny_field import INPUT_TERMS, fit, module
from viewdistill.cameras import rays
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.loading import load_mesh
from viewdistill.mesh.raster import render_mesh

# Of imageio_ffmpeg: the pipes of a decoder that has come to its end are left to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

SIZE = 32


def render(folder: RunFolder, *options: str) -> None:
    parse(["render", str(folder.root), f"--size={SIZE}", "--accelerator=cpu", *options])()


@pytest.fixture
def finished(run_folder: RunFolder) -> RunFolder:
    complete_run(run_folder, box_mesh())
    return run_folder


def frames_of(video: Path) -> np.ndarray:
    """Frames as ffmpeg decodes them."""
    reader = imageio_ffmpeg.read_frames(str(video))
    width, height = next(reader)["size"]
    frames = np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader])
    gc.collect()
    return frames


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif"])
def test_a_video_shows_the_frames_in_every_format(finished: RunFolder, ending: str) -> None:
    render(finished, "--frames=3", f"--format={ending}")
    out = finished.root / "renders" / "orbit"
    shown = frames_of(out / f"mesh.{ending}")
    assert shown.shape == (3, SIZE, SIZE, 3)
    still = np.array(Image.open(out / "mesh" / "001.png").convert("RGBA")).astype(float)
    white = still[..., :3] * still[..., 3:] / 255 + 255 - still[..., 3:]
    assert np.abs(shown[1] - white).mean() < 8


def test_frames_have_depth_and_normals_and_are_read_back(finished: RunFolder) -> None:
    render(finished, "--frames=2", "--elevation=30")
    out = finished.root / "renders" / "orbit" / "mesh"
    views = load_view_set(out)
    assert [(camera.azimuth_deg, camera.elevation_deg) for camera in views.cameras] == [(0, 30), (180, 30)]
    mesh = load_mesh(finished.glb).textured  # whose normals are its file's
    assert mesh is not None
    expected = render_mesh(mesh, views.c2w, views.fovy[0], SIZE)
    assert views.depth is not None
    inside = expected.alpha > 0.99
    assert np.abs(views.depth - expected.depth)[inside].max() < 1e-3
    normals = np.array(Image.open(out / "000_normals.png")) / 255 * 2 - 1
    assert np.abs(normals - expected.normals[0])[inside[0]].max() < 0.02
    assert [picture.path.name for picture in load_transforms(out / "transforms.json")] == ["000.png", "001.png"]


def test_a_field_is_rendered_beside_the_mesh(finished: RunFolder) -> None:
    model = module(GuidanceSettings(method="none"), INPUT_TERMS)
    fit(model, finished, 1).save_checkpoint(finished.field_checkpoint)
    write_json(finished.record("field"), {"stage": "field", "seconds": 1.0, "peak_memory_mb": 1.0, "files": {}})
    render(finished, "--frames=2", "--what=both")
    assert frames_of(finished.root / "renders" / "orbit" / "both.mp4").shape == (2, SIZE, 2 * SIZE, 3)


def test_cameras_of_a_file_are_followed(finished: RunFolder, tmp_path: Path) -> None:
    cameras = [ViewCamera(10.0, 80.0, 2.0, 40.0), ViewCamera(200.0, -60.0)]
    save_cameras(tmp_path, cameras)
    render(finished, f"--path={tmp_path / 'cameras.json'}", f"--out={tmp_path / 'video'}")
    assert load_view_set(tmp_path / "video" / "mesh").cameras == tuple(cameras)


def test_normals_of_a_plane_are_those_of_the_plane() -> None:
    camera = ViewCamera(0.0, 0.0)
    origins, directions = rays(camera.c2w[None], camera.fovy_deg, 8, 8)
    normal = torch.nn.functional.normalize(torch.tensor([1.0, 0.2, -0.3]), dim=0)
    distance = -(origins[0] @ normal) / (directions[0] @ normal)
    found = normals_of(origins[0] + distance[..., None] * directions[0], directions[0])
    assert found.numpy() == pytest.approx(np.broadcast_to(normal.numpy(), (8, 8, 3)), abs=1e-3)


def test_paths_go_where_they_say() -> None:
    assert [camera.azimuth_deg for camera in orbit(4, 10.0)] == [0, 90, 180, 270]
    climbed = spiral(11)
    assert (climbed[0].elevation_deg, climbed[-1].elevation_deg) == (-20, 60)
    assert climbed[-1].azimuth_deg == 720
    assert np.all(np.diff([camera.elevation_deg for camera in climbed]) > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--path=nowhere",), "orbit, spiral or a cameras.json"),
        (("--path=spiral", "--elevation=3"), "--elevation is for --path orbit"),
        (("--size=33",), "need an even size; give 34"),
    ],
)
def test_what_cannot_be_rendered_is_one_line(finished: RunFolder, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ViewDistillError, match=message):
        render(finished, *options)
    assert not (finished.root / "renders").exists()


def test_a_stage_that_is_missing_is_named(run_folder: RunFolder) -> None:
    with pytest.raises(ViewDistillError, match="no complete mesh stage here; run `viewdistill mesh"):
        render(run_folder)
