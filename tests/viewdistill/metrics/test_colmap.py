"""The points of COLMAP: its own model is written right, its steps run in order, its failures have words.

COLMAP is a program from outside; a script stands for it here, which keeps what it is given.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from viewdistill.cameras import project
from viewdistill.errors import ViewDistillError
from viewdistill.mesh.turntable import ring
from viewdistill.metrics.colmap import colmap_points, write_model

SCRIPT = """#!{python}
import os, shutil, sqlite3, struct, sys
step, options = sys.argv[1], sys.argv[2:]
if options == ["-h"]:
    print("  --SiftThing.use_gpu arg (=1)" if step != "point_triangulator" else "  --other arg")
    sys.exit(0)
given = dict(zip(options[::2], options[1::2]))
open({log!r}, "a").write(step + " " + given.get("--SiftThing.use_gpu", "-") + "\\n")
if step == {broken!r}:
    sys.exit("first line\\nno luck")
if step == "feature_extractor":
    with sqlite3.connect(given["--database_path"]) as database:
        database.execute("CREATE TABLE images (image_id INTEGER, name TEXT, camera_id INTEGER)")
        names = sorted(os.listdir(given["--image_path"]), reverse=True)
        database.executemany("INSERT INTO images VALUES (?, ?, ?)", [(i + 1, n, i + 7) for i, n in enumerate(names)])
if step == "point_triangulator":
    shutil.copytree(given["--input_path"], {kept!r})
    open(given["--output_path"] + "/points3D.bin", "wb").write(struct.pack("<Q", 321) + b"rest")
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, broken: str = "") -> Path:
    program = folder / "bin" / "colmap"
    program.parent.mkdir()
    texts = {"python": sys.executable, "log": str(folder / "log"), "kept": str(folder / "kept"), "broken": broken}
    program.write_text(SCRIPT.format(**texts))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return folder


def test_steps_cameras_and_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path, monkeypatch)
    assert colmap_points(torch.rand(3, 3, 16, 16), ring(3, 10.0), [49.134] * 3) == 321
    steps = (tmp_path / "log").read_text().split("\n")[:3]
    assert steps == ["feature_extractor 0", "exhaustive_matcher 0", "point_triangulator -"]
    images = [line.split() for line in (tmp_path / "kept" / "images.txt").read_text().splitlines() if line]
    # Numbers are those of the database, where the last picture came first.
    assert [(line[0], line[8], line[9]) for line in images] == [
        ("1", "7", "002.png"),
        ("2", "8", "001.png"),
        ("3", "9", "000.png"),
    ]


def test_its_cameras_project_as_ours_do(tmp_path: Path):
    c2w, fovy = ring(5, 25.0), [30.0, 35.0, 40.0, 45.0, 50.0]
    write_model(tmp_path / "model", {f"{i:03d}.png": (i + 1, i + 1) for i in range(5)}, c2w, fovy, 64)
    points = torch.tensor([[0.1, 0.2, -0.3], [-0.2, 0.05, 0.25]])
    cameras = [line.split() for line in (tmp_path / "model" / "cameras.txt").read_text().splitlines()]
    images = [line.split() for line in (tmp_path / "model" / "images.txt").read_text().splitlines() if line]
    for index, (camera, image) in enumerate(zip(cameras, images, strict=True)):
        w, x, y, z, *shift = map(float, image[1:8])
        local = points.double().numpy() @ Rotation.from_quat([x, y, z, w]).as_matrix().T + shift
        fx, fy, cx, cy = map(float, camera[4:])
        pixels = local[:, :2] / local[:, 2:] * [fx, fy] + [cx, cy]
        expected, depth = project(points, c2w[index], fovy[index], 64, 64)
        np.testing.assert_allclose(pixels, expected.numpy(), atol=1e-3)
        np.testing.assert_allclose(local[:, 2], depth.numpy(), atol=1e-5)


def test_failures_have_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    views = torch.rand(2, 3, 16, 16), ring(2, 10.0), [49.134] * 2
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ViewDistillError, match="not installed"):
        colmap_points(*views)
    install(tmp_path, monkeypatch, broken="exhaustive_matcher")
    with pytest.raises(ViewDistillError, match="exhaustive_matcher failed with status 1: no luck"):
        colmap_points(*views)
