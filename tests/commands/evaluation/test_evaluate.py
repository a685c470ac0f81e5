"""Runs and files of other systems against known truths: figures, protocols, what is missing, one-line errors."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from commands.evaluation.evaluate import PROTOCOL_NAMES
from commands.evaluation.truth import turn
from commands.main import main
from datamodules.posed_views import ViewCamera, save_cameras, save_view
from datamodules.runs.run_folder import InputMeta, RunFolder, write_json
from datamodules.view_sets import RIG_CAMERAS
from tests.reported_run import box_mesh
from viewdistill.mesh.export import WORLD_TO_FILE
from viewdistill.mesh.raster import render_mesh
from viewdistill.metrics.protocols import PROTOCOLS
from viewdistill.objects.generator import generate
from viewdistill.objects.render import render

SEED = 10_000_045
SMALL = ["--size=32", "--protocols", "surface"]


def evaluated(out: Path, *options: str) -> dict[str, Any]:
    """What a run of the command wrote."""
    assert main(["evaluate", *options, f"--out={out}"]) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(out.read_text(), parse_constant=refuse)


def row(content: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    return next(row for row in content[section] if row[key] == name)


def posed_folder(folder: Path, cameras: list[ViewCamera], size: int = 32) -> Path:
    """Renders of the run's box."""
    for index, camera in enumerate(cameras):
        views = render_mesh(box_mesh(), camera.c2w[None], camera.fovy_deg, size, 4)
        rgb = (views.rgb[0] * 255).round().astype(np.uint8)
        save_view(folder, index, np.concatenate([rgb, np.full((size, size, 1), 255, np.uint8)], -1))
    save_cameras(folder, cameras)
    return folder


def test_the_names_of_the_protocols_are_those_there_are():
    assert tuple(PROTOCOLS) == PROTOCOL_NAMES


def test_a_run_against_a_mesh(complete: RunFolder, truth: Path, capsys: pytest.CaptureFixture[str]):
    out = complete.root / "evaluation.json"
    assert main(["evaluate", str(complete.root), f"--gt={truth}", "--gt-up=z", "--size=32"]) == 0
    content = json.loads(out.read_text())
    assert [found["protocol"] for found in content["geometry"]] == list(PROTOCOL_NAMES)
    # The truth's longest side becomes 1, that of the prediction stays 0.8; aligned, they are the same.
    plain, aligned = (row(content, "geometry", "protocol", name) for name in ("surface", "surface-aligned"))
    assert plain["volume_iou"]["mean"] == pytest.approx(0.8**3, abs=0.02)
    assert aligned["alignment"]["scale"] == pytest.approx(1.25, rel=0.01)
    assert aligned["chamfer"]["mean"] < 0.006
    assert aligned["volume_iou"]["mean"] > 0.95
    assert row(content, "views", "of", "mesh")["psnr"] == {
        "mean": None,
        "reason": f"{truth}: has no colours, with which views could be compared; give a textured mesh",
    }
    printed = capsys.readouterr().out
    for words in ("syncdreamer", "surface-aligned", "centred on its box, scaled by 0.625", f"wrote {out}", "n/a"):
        assert words in printed


def test_a_large_mesh_is_read_where_it_is_asked_for(
    complete: RunFolder, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = [str(complete.root), f"--gt={truth}", "--gt-up=z", *SMALL]
    for faces, mesh in ((11, truth), (12, complete.glb)):  # the truth has 12, the run's mesh more
        assert main(["evaluate", *command, f"--max-faces={faces}"]) == 2
        error = capsys.readouterr().err
        assert f"{mesh}: claims " in error
        assert "--max-faces" in error
    evaluated(tmp_path / "out.json", *command, "--max-faces=1000")


def test_how_a_mesh_was_read_is_said(complete: RunFolder, truth: Path, capsys: pytest.CaptureFixture[str]):
    scenes = complete.root / "scenes.glb"
    twice_shown(complete.glb, scenes)
    out = complete.root / "out.json"
    content = evaluated(out, f"--mesh={scenes}", f"--gt={scenes}", *SMALL)
    note = f"note: {scenes}: scene 0 of 2 is used"
    assert content["notes"][:2] == [note, note]
    assert "scene 0 of 2 is used" in " ".join(capsys.readouterr().out.split())


def twice_shown(source: Path, target: Path) -> None:
    """A GLB with a second scene, which shows the same."""
    content = source.read_bytes()
    length = int.from_bytes(content[12:16], "little")
    header = json.loads(content[20 : 20 + length])
    header["scenes"] = 2 * header["scenes"]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    rest = content[20 + length :]
    sizes = (20 + len(text) + len(rest)).to_bytes(4, "little"), len(text).to_bytes(4, "little")
    target.write_bytes(content[:8] + sizes[0] + sizes[1] + content[16:20] + text + rest)


def test_placement_may_be_kept(complete: RunFolder, truth: Path, tmp_path: Path):
    box = trimesh.creation.box(extents=(0.6, 0.4, 0.8))
    trimesh.Trimesh(box.vertices @ turn(70.0).T, box.faces, process=False).export(truth)
    options = [str(complete.root), f"--gt={truth}", "--gt-up=z", "--keep-placement", "--azimuth=70", *SMALL]
    found = row(evaluated(tmp_path / "out.json", *options), "geometry", "protocol", "surface")
    assert found["chamfer"]["mean"] < 0.006
    assert found["volume_iou"]["mean"] > 0.97
    assert found["f_score_002"]["mean"] > 0.98


def test_a_generated_object_turned_as_the_input_saw_it(run_folder: RunFolder, tmp_path: Path):
    """Its own renders and its own shape are perfect predictions, where the frame of the run is understood."""
    obj, azimuth = generate(SEED), 25.0
    source = tmp_path / "robot.png"
    write_json(source.with_suffix(".json"), {"seed": SEED, "object_azimuth_deg": azimuth})
    meta = InputMeta("robot", 20.0, "kept", str(source), seed=SEED)
    meta.save(run_folder.input_meta)
    cameras = [ViewCamera(0.0, 20.0), ViewCamera(100.0, -5.0), ViewCamera(220.0, 40.0, 1.8, 40.0)]
    for index, camera in enumerate(cameras):
        own = ViewCamera(camera.azimuth_deg + azimuth, camera.elevation_deg, camera.distance, camera.fovy_deg)
        rgba = render(obj, own.c2w[None].double().numpy(), camera.fovy_deg, 32, supersample=4).rgba[0]
        save_view(run_folder.novel_views, index, rgba)
    save_cameras(run_folder.novel_views, cameras)
    write_json(run_folder.record("novel_views"), {})
    run_folder.glb.parent.mkdir()
    shape = trimesh.Trimesh(obj.vertices @ (WORLD_TO_FILE @ turn(-azimuth)).T, obj.faces, process=False)
    shape.export(run_folder.glb)
    write_json(run_folder.record("mesh"), {})

    content = evaluated(tmp_path / "out.json", str(run_folder.root), *SMALL)
    assert (content["truth"]["seed"], content["truth"]["azimuth_deg"]) == (SEED, azimuth)
    views = row(content, "views", "of", "novel_views")
    assert min(views["psnr"]["values"]) > 99
    assert (views["protocol"], views["views"], views["size"]) == ("posed-views", 3, 32)
    assert row(content, "views", "of", "copy of input")["psnr"]["mean"] < 25
    assert row(content, "geometry", "protocol", "surface")["volume_iou"]["mean"] == 1.0

    wrong = evaluated(tmp_path / "out.json", str(run_folder.root), "--azimuth=60", *SMALL)
    assert row(wrong, "views", "of", "novel_views")["psnr"]["mean"] < 25
    assert row(wrong, "geometry", "protocol", "surface")["volume_iou"]["mean"] < 0.95


def test_views_of_another_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pycolmap", None)  # as where it is not installed
    obj, folder = generate(SEED), tmp_path / "views"
    folder.mkdir()
    c2w = np.stack([camera.c2w.double().numpy() for camera in RIG_CAMERAS])
    rgba = render(obj, c2w, RIG_CAMERAS[0].fovy_deg, 256, supersample=4).rgba
    rgba[3, ..., :3] = 255 - rgba[3, ..., :3]
    for index in range(16):
        Image.fromarray(rgba[index]).save(folder / f"{index:03d}.png")
    content = evaluated(tmp_path / "out.json", f"--views={folder}", f"--object={SEED}")
    found = content["views"][0]
    assert (found["protocol"], found["views"], found["size"]) == ("syncdreamer", 16, 256)
    assert found["psnr"]["values"][3] < 20
    assert min(value for index, value in enumerate(found["psnr"]["values"]) if index != 3) > 99
    low, high = found["psnr"]["interval_95"]
    assert low < found["psnr"]["mean"] <= high
    # What cannot be had is neither left out nor 0.
    assert found["lpips"]["mean"] is None
    assert "vgg16-397923af.pth" in found["lpips"]["reason"]
    consistency = content["consistency"][0]
    assert "no predicted mesh" in consistency["reprojection_psnr"]["reason"]
    assert "COLMAP is not installed" in consistency["colmap_points"]["reason"]
    assert content["geometry"] == []


def test_posed_views_as_truth(complete: RunFolder, tmp_path: Path):
    cameras = [ViewCamera(azimuth, 15.0) for azimuth in (0.0, 90.0, 180.0)]
    folder = posed_folder(tmp_path / "truth", cameras)
    content = evaluated(tmp_path / "out.json", str(complete.root), f"--gt={folder}", "--size=64")
    rendered = row(content, "views", "of", "mesh")
    # Rendered at 64 and scaled down to the truth's 32: nearly, not quite, what was rendered at 32.
    assert (rendered["views"], rendered["size"], rendered["resized_from"]) == (3, 32, 64)
    assert rendered["psnr"]["mean"] > 25
    assert any("resized from 64²" in note for note in content["notes"])
    assert "no view from the camera of" in row(content, "views", "of", "views")["psnr"]["reason"]
    assert content["geometry"] == []
    assert row(content, "consistency", "of", "views")["views"] == 3


def test_predicted_views_must_cover_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    cameras = [ViewCamera(azimuth, 15.0) for azimuth in (0.0, 90.0, 180.0)]
    folder = posed_folder(tmp_path / "truth", cameras)
    shuffled = posed_folder(tmp_path / "all", [*reversed(cameras), ViewCamera(45.0, 0.0)])
    content = evaluated(tmp_path / "out.json", f"--views={shuffled}", f"--gt={folder}")
    assert content["views"][0]["psnr"]["values"] == [100.0] * 3
    part = posed_folder(tmp_path / "part", cameras[:2])
    assert main(["evaluate", f"--views={part}", f"--gt={folder}"]) == 2
    assert "no view from the camera of" in (error := capsys.readouterr().err)
    assert "002.png (azimuth 180, elevation 15" in error
    assert not (part / "evaluation.json").exists()


def test_depth_as_truth(tmp_path: Path):
    folder, size = tmp_path / "truth", 256
    posed_folder(folder, list(RIG_CAMERAS), size)
    (folder / "cameras.json").unlink()
    for index, camera in enumerate(RIG_CAMERAS):
        depth = render_mesh(box_mesh(), camera.c2w[None], camera.fovy_deg, size, 1).depth[0]
        counts = np.where(depth > 0, (depth - 0.6) / 1.8 * 65535, 65535).round().astype(np.uint16)
        Image.fromarray(counts).save(folder / f"{index:03d}-depth.png")
    box_mesh_file = tmp_path / "box.ply"
    trimesh.Trimesh(box_mesh().vertices, box_mesh().faces, process=False).export(box_mesh_file)
    content = evaluated(tmp_path / "out.json", f"--mesh={box_mesh_file}", "--mesh-up=z", f"--gt={folder}")
    found = content["geometry"][0]
    assert found["protocol"] == "syncdreamer"
    assert found["chamfer"]["mean"] < 0.002
    assert found["prediction_points"] == pytest.approx(found["truth_points"], rel=0.02)
    assert (found["volume_iou"]["mean"], found["normal_consistency"]["mean"]) == (None, None)
