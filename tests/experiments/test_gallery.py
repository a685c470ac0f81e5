"""The gallery of finished runs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.runs.run_folder import RunFolder
from experiments.reporting.gallery import labels, main
from viewdistill.mesh.export import InputCamera, save_glb
from viewdistill.mesh.textured_mesh import TexturedMesh


@pytest.fixture
def finished(run_folder: RunFolder) -> RunFolder:
    """A run whose mesh, straight from the field, is a green triangle before the input camera."""
    vertices = np.array([[0.0, -0.4, -0.3], [0.0, 0.4, -0.3], [0.0, 0.0, 0.4]])
    texture = np.full((8, 8, 3), (0, 200, 0), np.uint8)
    normals = np.tile([1.0, 0.0, 0.0], (3, 1))
    uvs = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    run_folder.glb.parent.mkdir()
    save_glb(TexturedMesh(vertices, np.array([[0, 1, 2]]), uvs, texture, normals), run_folder.glb, InputCamera(20.0))
    return run_folder


def test_runs_of_one_name_are_told_apart_by_the_folder_above(tmp_path: Path) -> None:
    assert labels([RunFolder(tmp_path / "robot"), RunFolder(tmp_path / "mug")]) == ["robot", "mug"]
    arms = [RunFolder(tmp_path / arm / "7-seed0") for arm in ("usd", "sds")]
    assert labels(arms) == ["usd", "sds"]
    assert labels([RunFolder(tmp_path / "whole" / f"{name}-seed0") for name in ("robot", "mug")]) == ["robot", "mug"]
    seeds = [RunFolder(tmp_path / "whole" / f"robot-seed{seed}") for seed in (0, 1)]
    assert labels(seeds) == ["robot-seed0", "robot-seed1"]


def test_views_that_no_run_has_leave_no_gap(finished: RunFolder, tmp_path: Path) -> None:
    out, size = tmp_path / "gallery.png", 32
    assert main([str(finished.root), f"--out={out}", f"--size={size}"]) == 0
    picture = np.asarray(Image.open(out))
    assert 5 * size < picture.shape[1] < 8 * size  # the input, four sides, and a label
    green = (picture[..., 1] > 120) & (picture[..., 0] < 80) & (picture[..., 2] < 80)
    assert green.sum() > 20


def test_a_run_without_a_mesh_is_named(finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = RunFolder(tmp_path / "runs" / "other")
    shutil.copytree(finished.root, other.root)
    other.glb.unlink()
    assert main([str(finished.root), str(other.root), f"--out={tmp_path / 'gallery.png'}"]) == 2
    assert capsys.readouterr().err == (
        f"gallery: {other.root}: has no mesh yet; run `make object` for its image first\n"
    )
    assert not (tmp_path / "gallery.png").exists()
