"""The mesh stage on tiny fields and surfaces: which is taken, what its texture comes from, what is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from commands.main import main
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.run_folder import RunFolder, read_json, write_json
from lightning_modules.field_settings import FieldSettings
from lightning_modules.radiance_field import RadianceField
from lightning_modules.surface import Surface
from lightning_modules.surface_settings import SurfaceSettings
from viewdistill.fields.hash_grid import HashGridConfig

GRID = HashGridConfig(n_levels=2, log2_hashmap_size=10, base_resolution=8, per_level_scale=2.0)
SMALL = ["--resolution=40", "--texture-size=128", "--faces=1500", "--opacity-size=32"]
FILES = {"object.glb", "object.obj", "object.mtl", "object.png", "object.stl", "turntable.mp4", "contact_sheet.png"}


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
    # The input view, red over blue, looks at the front with four times the weight of a refined view.
    red, blue = (texture[..., channel] > 120 for channel in (0, 2))
    assert 0.4 < green.mean() < 0.9
    assert red.mean() > 0.02
    assert blue.mean() > 0.02
    printed = trimesh.load(complete.stl, force="mesh")
    assert isinstance(printed, trimesh.Trimesh)
    assert printed.is_watertight
    assert len(printed.faces) == found["faces"] <= 1500
    assert np.ptp(printed.vertices, axis=0) == pytest.approx([0.6] * 3, rel=0.1)


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
        ("nothing", ["--input-weight=-1"], "--input-weight -1"),
        ("nothing", ["--faces=2"], "at least 8"),
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
