"""The mesh stage on tiny fields and surfaces: which is taken, what its texture comes from, what is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from scipy import ndimage

from commands.main import main
from commands.reporting.run_warnings import run_warnings
from datamodules.posed_views import ViewCamera, read_rgba, save_cameras, save_view
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json, write_json
from lightning_modules.field_settings import FieldSettings
from lightning_modules.radiance_field import RadianceField
from lightning_modules.surface import Surface
from lightning_modules.surface_settings import SurfaceSettings
from viewdistill.fields.hash_grid import HashGridConfig
from viewdistill.mesh.loading import load_mesh
from viewdistill.mesh.raster import render_mesh
from viewdistill.pictures import to_bytes

pytestmark = pytest.mark.usefixtures("short_films")

GRID = HashGridConfig(n_levels=2, log2_hashmap_size=10, base_resolution=8, per_level_scale=2.0)
SMALL = ["--resolution=40", "--texture-size=128", "--faces=1500", "--opacity-size=32"]
FILES = {"object.glb", "object.obj", "object.mtl", "object.png", "object.stl", "turntable.mp4", "contact_sheet.png"}
FILES |= {"fingerprint"}  # of the stage, see `datamodules.runs.staleness`


def save(module: Any, checkpoint: Path) -> None:
    """A checkpoint of a module as it is, and the record of its stage."""
    checkpoint.parent.mkdir(parents=True)
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    torch.save(content, checkpoint)
    write_json(checkpoint.parent / "stage.json", {})


@pytest.fixture
def complete(run_folder: RunFolder) -> RunFolder:
    """A finished field (the initial blob), a finished surface (the initial ball) and green refined views."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        field = FieldSettings(grid=GRID, radius=0.75, hidden_width=16, occupancy_resolution=16, n_samples_per_ray=48)
        radiance_field = RadianceField(field)
        radiance_field.renderer.update_occupancy(0, torch.Generator().manual_seed(0))
        save(radiance_field, run_folder.field_checkpoint)
        surface = SurfaceSettings(grid=GRID, radius=0.75, hidden_width=16, sphere_radius=0.3)
        save(Surface(surface), run_folder.surface_checkpoint)
    cameras = [ViewCamera(azimuth, elevation) for azimuth in (60.0, 180.0, 300.0) for elevation in (-20.0, 40.0)]
    for index in range(len(cameras)):
        save_view(run_folder.refined_views, index, np.full((48, 48, 4), (0, 255, 0, 255), np.uint8))
    save_cameras(run_folder.refined_views, cameras)
    write_json(run_folder.record("views"), {})
    return run_folder


def figures(folder: RunFolder, *options: str) -> dict[str, Any]:
    """Of a run of the stage with these options."""
    assert main(["mesh", str(folder.root), *SMALL, *options]) == 0
    return read_json(folder.record("mesh"))["figures"]


def test_the_surface_comes_first_with_its_texture_from_the_views(complete: RunFolder):
    found = figures(complete)
    assert found["source"] == "surface"
    assert found["watertight"]
    assert found["texels_from_views"] > 0.9
    assert set(read_json(complete.record("mesh"))["files"]) == FILES
    texture = np.asarray(Image.open(complete.obj.with_suffix(".png"))).astype(int)
    green = (texture[..., 1] > 200) & (texture[..., 0] < 60)
    # The input view, red over blue, decides what it sees of the front.
    red, blue = (texture[..., channel] > 120 for channel in (0, 2))
    assert 0.4 < green.mean() < 0.9
    assert red.mean() > 0.02
    assert blue.mean() > 0.02
    printed = trimesh.load(complete.stl, force="mesh")
    assert isinstance(printed, trimesh.Trimesh)
    assert printed.is_watertight
    assert len(printed.faces) == found["faces"] <= 1500
    assert np.ptp(printed.vertices, axis=0) == pytest.approx([100] * 3, rel=0.1)


def test_the_field_and_its_own_colours_are_there_for_the_asking(complete: RunFolder):
    found = figures(complete, "--source=field", "--no-projection")
    assert (found["source"], found["texels_from_views"]) == ("field", 0.0)
    texture = np.asarray(Image.open(complete.obj.with_suffix(".png"))).astype(int)
    assert np.abs(texture - 128).max() < 60  # an untrained field is grey


@pytest.mark.parametrize(
    ("missing", "options", "problem"),
    [
        ("surface", ["--source=surface"], "no complete surface stage here; run `viewdistill surface"),
        ("field", ["--source=field"], "no complete field stage here; run `viewdistill field"),
        ("views", ["--projection"], "no complete views stage here; run `viewdistill views"),
        ("input", [], "no complete input stage"),
        ("nothing", ["--size=3"], "give a length with its unit"),
        ("nothing", ["--export", "a.usdz"], "must end in one of"),
    ],
)
def test_what_is_missing_is_named_and_nothing_written(
    complete: RunFolder, missing: str, options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
):
    complete.record(missing).unlink(missing_ok=True)
    assert main(["mesh", str(complete.root), *options]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert not complete.stage("mesh").exists()


@pytest.mark.parametrize(
    ("option", "problem"),
    [("--input-weight=-1", "--input-weight: -1: must be a finite number of at least 0"), ("--faces=2", "from 8 to")],
)
def test_options_out_of_bounds_are_refused(
    run_folder: RunFolder, option: str, problem: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as refusal:
        main(["mesh", str(run_folder.root), option])
    error = capsys.readouterr().err
    assert (refusal.value.code, error.count("\n")) == (2, 1)
    assert problem in error


def plain_input(folder: RunFolder, color: tuple[int, int, int]) -> None:
    """An input of one colour: the silhouette of the initial field and surface, more or less."""
    size = 128
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = color, 255 * (np.hypot(x, y) < 29)
    Image.fromarray(rgba).save(folder.rgba)


@pytest.mark.parametrize("source", ["field", "surface"])
@pytest.mark.parametrize("views", [True, False], ids=["refined views", "input alone"])
def test_the_front_has_the_colour_of_the_input(complete: RunFolder, source: str, views: bool):
    """Refined views, field and surface have other colours: 229 and grey, where the input has 200."""
    plain_input(complete, (200, 200, 200))
    for index in range(6):
        save_view(complete.refined_views, index, np.full((48, 48, 4), (229, 229, 229, 255), np.uint8))
    if not views:
        complete.record("views").unlink()
    figures(complete, f"--source={source}")
    mesh, camera = load_mesh(complete.glb).textured, ViewCamera.of_input(InputMeta.load(complete.input_meta))
    assert mesh is not None
    shown = render_mesh(mesh, camera.c2w[None], camera.fovy_deg, 128)
    facing = (shown.normals[0] * camera.c2w[:3, 2].numpy()).sum(-1) > 0.7
    # What the mesh has beyond the input's rim is not of its colour.
    covered = ndimage.binary_erosion(read_rgba(complete.rgba)[3].numpy() > 0.5, iterations=4)
    front = shown.rgb[0][facing & covered] * 255
    assert len(front) > 300
    assert np.abs(front - 200).max() <= 3


def test_a_mesh_of_another_shape_than_the_input_is_warned_of(complete: RunFolder, capsys: pytest.CaptureFixture[str]):
    found = figures(complete)
    assert found["input_iou"] < 0.9
    assert "silhouette differs from the input's (IoU 0." in capsys.readouterr().err
    meta = InputMeta.load(complete.input_meta)
    warnings = " ".join(run_warnings(meta, {"mesh": {"figures": found}}))
    assert f"silhouette differs from the input's (IoU {found['input_iou']:.2f})" in warnings
    assert (found["sound"], found["genus"], found["problems"]) == (True, 0, [])


def test_a_mesh_of_the_input_s_shape_is_not(complete: RunFolder, capsys: pytest.CaptureFixture[str]):
    figures(complete)
    mesh, camera = load_mesh(complete.glb).textured, ViewCamera.of_input(InputMeta.load(complete.input_meta))
    assert mesh is not None
    alpha = render_mesh(mesh, camera.c2w[None], camera.fovy_deg, 128).alpha[0]
    Image.fromarray(to_bytes(np.stack([alpha * 0, alpha * 0, alpha * 0, alpha], -1))).save(complete.rgba)
    capsys.readouterr()
    assert figures(complete)["input_iou"] > 0.97
    assert "warning" not in capsys.readouterr().err


def test_files_are_exported_in_the_asked_for_axes_and_unit(complete: RunFolder, tmp_path: Path):
    names = [str(tmp_path / "out" / name) for name in ("a.obj", "cloud.ply", "a.stl")]
    figures(complete, "--export", *names, "--up=z", "--size=60mm")
    sides = [float(np.ptp(trimesh.load(name, process=False).bounds, axis=0).max()) for name in names]
    assert sides == pytest.approx([0.06, 0.06, 60.0], rel=0.01)
    assert set(read_json(complete.record("mesh"))["files"]) == FILES
