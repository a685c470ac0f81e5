"""`transforms.json`: written as its documented schema has it, and read from foreign cameras."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from datamodules.imported_views import common_point, import_views
from datamodules.posed_views import ViewCamera, load_views, save_cameras, save_view, straight_rgba
from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.transforms import load_transforms, save_transforms
from tests.reported_run import box_mesh
from viewdistill.cameras import look_at
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.raster import render_mesh
from viewdistill.mesh.textured_mesh import TexturedMesh

SIZE = 96
FOVY = 60.0
CROP = 14  # columns taken away at the left


@pytest.fixture(scope="module")
def mesh() -> TexturedMesh:
    return box_mesh()


def picture_of(mesh: TexturedMesh, c2w: torch.Tensor, fovy: float) -> np.ndarray:
    view = render_mesh(mesh, c2w[None].float(), fovy, SIZE)
    return straight_rgba(torch.from_numpy(view.rgb[0]), torch.from_numpy(view.alpha[0]))


def projected(points: np.ndarray, frame: dict[str, Any], top: dict[str, Any]) -> np.ndarray:
    """Pixels of world points as nerfstudio's documentation of the format has them; nothing of ours takes part."""
    lens = {**top, **frame}
    w2c = np.linalg.inv(np.array(frame["transform_matrix"]))
    x, y, z = w2c[:3, :3] @ points.T + w2c[:3, 3:]
    # OpenGL: the camera looks along -z with y up; pixels count from the top left corner.
    return np.stack([lens["cx"] + lens["fl_x"] * x / -z, lens["cy"] - lens["fl_y"] * y / -z], -1)


@pytest.mark.parametrize("fovies", [(50.0, 50.0, 50.0), (50.0, 60.0, 70.0)], ids=["one lens", "a lens per frame"])
def test_a_reader_of_the_schema_finds_the_object_where_the_pictures_show_it(
    tmp_path: Path, mesh: TexturedMesh, fovies: tuple[float, ...]
) -> None:
    cameras = [ViewCamera(100.0 * k, 20.0 * k - 10, 1.5, fovy) for k, fovy in enumerate(fovies)]
    for index, camera in enumerate(cameras):
        save_view(tmp_path, index, picture_of(mesh, camera.c2w, camera.fovy_deg))
    save_cameras(tmp_path, cameras)
    save_transforms(tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    top = {key: value for key, value in content.items() if key != "frames"}
    assert ("fl_x" in top) == (len(set(fovies)) == 1)
    for frame in content["frames"]:
        pixels = projected(mesh.vertices, frame, top)
        rows, columns = np.nonzero(np.array(Image.open(tmp_path / frame["file_path"]))[..., 3] > 127)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert [*pixels.min(0), *pixels.max(0)] == pytest.approx(box, abs=1)
    found = load_transforms(tmp_path / "transforms.json")
    poses = np.stack([picture.c2w for picture in found])
    assert poses == pytest.approx(np.stack([camera.c2w.numpy() for camera in cameras]), abs=1e-6)


@pytest.fixture
def foreign(tmp_path: Path, mesh: TexturedMesh) -> Path:
    """Pictures of another program: wide lenses that roll, do not aim at the object, and have no middle; a world that is
    shifted and five times as large."""
    frames = []
    for index in range(5):
        place = torch.tensor([30.0 + 70 * index, 15.0 * index - 20, 1.6])
        c2w = look_at(*place).numpy().astype(np.float64)
        aim = trimesh.transformations.euler_matrix(0.06 * (-1) ** index, 0.05, 0.3 * index)
        c2w = c2w @ aim
        Image.fromarray(picture_of(mesh, torch.from_numpy(c2w), FOVY)[:, CROP:]).save(tmp_path / f"shot {index}.png")
        c2w[:3, 3] = 5 * c2w[:3, 3] + [10, -20, 3]
        # Without an ending, as NeRF's synthetic sets.
        frames.append({"file_path": f"./shot {index}", "transform_matrix": c2w.tolist(), "colmap_im_id": index})
    focal = SIZE / 2 / math.tan(math.radians(FOVY) / 2)
    # The numbers are for pictures of twice the size, as where a set was scaled down.
    lens = {"fl_x": 2 * focal, "fl_y": 2 * focal, "cx": 2 * (SIZE / 2 - CROP), "cy": SIZE, "w": 2 * (SIZE - CROP)}
    content = {"camera_model": "OPENCV", "k1": 0.0, **lens, "h": 2 * SIZE, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    return tmp_path / "transforms.json"


def test_foreign_pictures_become_views_of_cameras_that_look_at_the_origin(
    foreign: Path, tmp_path: Path, mesh: TexturedMesh
) -> None:
    folder, pictures = RunFolder(tmp_path / "run"), load_transforms(foreign)
    assert import_views(folder, pictures, foreign) == []
    views = load_views(folder.refined_views)
    centres = views.c2w[:, :3, 3].double().numpy()
    own = np.stack([picture.c2w[:3, 3] for picture in pictures])
    # The two worlds differ by a similarity, which the places of the cameras tell.
    matrix, _, cost = trimesh.registration.procrustes(own, centres, reflection=False)
    assert cost < 1e-9
    vertices = trimesh.transform_points(mesh.vertices * 5.0 + [10, -20, 3], matrix).astype(np.float32)
    assert np.linalg.norm(vertices, axis=1).max() == pytest.approx(0.5, abs=0.05)
    normals = mesh.normals @ (matrix[:3, :3] / np.cbrt(np.linalg.det(matrix[:3, :3]))).T.astype(np.float32)
    placed = TexturedMesh(vertices, mesh.faces, mesh.uvs, mesh.texture, normals)
    for camera, rgba in zip(views.cameras, views.rgba, strict=True):
        seen = render_mesh(placed, camera.c2w[None], camera.fovy_deg, SIZE)
        alpha, expected = rgba[3].numpy() > 0.5, seen.alpha[0] > 0.5
        assert (alpha & expected).sum() / (alpha | expected).sum() > 0.96
        inside = (rgba[3].numpy() > 0.99) & (seen.alpha[0] > 0.99)
        assert np.abs(rgba[:3].movedim(0, -1).numpy() - seen.rgb[0])[inside].mean() < 0.03
    meta = InputMeta.load(folder.input_meta)
    assert ViewCamera.of_input(meta).c2w.numpy() == pytest.approx(views.c2w[0].numpy(), abs=1e-6)
    assert meta.fovy_deg == views.cameras[0].fovy_deg


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k1": 0.1}, "undistort"),
        ({"fl_x": None, "fl_y": None}, "no focal length"),
        ({"frames": []}, "lists no frames"),
        ({"frames": [{"file_path": "../x.png", "transform_matrix": np.eye(4).tolist()}]}, "not a file of this folder"),
        ({"frames": [{"file_path": "gone.png", "transform_matrix": np.eye(4).tolist()}]}, "no such picture"),
        ({"frames": [{"file_path": "shot 0.png", "transform_matrix": np.eye(3).tolist()}]}, "not a camera pose"),
        ({"frames": [{"file_path": "shot 0.png", "transform_matrix": (2 * np.eye(4)).tolist()}]}, "not a camera pose"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(foreign: Path, change: dict[str, Any], message: str) -> None:
    foreign.write_text(json.dumps(json.loads(foreign.read_text()) | change))
    with pytest.raises(ViewDistillError, match=message):
        load_transforms(foreign)


def test_cameras_that_all_look_in_one_direction_have_no_object() -> None:
    c2w = np.stack([np.eye(4)] * 3)
    c2w[:, 0, 3] = [0, 1, 2]
    with pytest.raises(ViewDistillError, match="from several sides"):
        common_point(c2w)
