"""The report stage without a browser: what it gathers, what it names as missing, what it warns of."""

import html
from pathlib import Path
from typing import Any

import pytest

from commands.reporting import report
from commands.reporting import run_warnings as report_warnings
from commands.reporting.run_warnings import run_warnings
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json, write_json
from tests.reported_run import CAPTION, box_mesh, complete_run
from viewdistill.diffusion import classifier
from viewdistill.errors import ViewDistillError

MESH = {"source": "surface", "watertight": True, "texels_from_views": 0.9}


def write_report(folder: RunFolder) -> str:
    """Run the stage; gives the page."""
    report.run(report.Request(run_folder=folder.root))
    return folder.report.read_text(encoding="utf-8")


def test_an_input_alone_is_reported_and_the_rest_named(run_folder: RunFolder, capsys: pytest.CaptureFixture[str]):
    text = write_report(run_folder)
    assert capsys.readouterr().out == f"{run_folder.report}: open it in a browser\n"
    stages = "field, novel_views, class_images, specialize_1, specialize_2, views, surface, mesh"
    assert f"Not run: {stages}." in text
    assert text.count("data:image/png") == 1
    record = read_json(run_folder.record("report"))
    assert record["figures"]["missing"] == stages.split(", ")
    assert "report.html" in record["files"]


def test_a_complete_run_shows_everything(run_folder: RunFolder):
    complete_run(run_folder, box_mesh())
    text = write_report(run_folder)
    # Input, field ring, 3 novel views, 2 sheets of samples, 3 pairs of views, contact sheet, texture.
    assert text.count("data:image/png") == 1 + 1 + 3 + 2 + 6 + 1 + 1
    assert "Not run" not in text
    assert html.escape(CAPTION).replace("&quot;", "&#34;") in text
    assert text.count('<svg class="curve"') == 8
    assert "rate: 0.1" in text
    assert "Views cover 25% of the texture" in text
    assert "The mesh is not watertight" in text
    # Written again from the same files, it is the same but for its own record.
    assert write_report(run_folder) == text


def test_parts_of_a_complete_stage_may_be_missing(run_folder: RunFolder):
    complete_run(run_folder, box_mesh())
    for path in [*run_folder.raw_views.iterdir(), run_folder.samples("specialize_1"), run_folder.curves("surface")]:
        path.unlink()
    text = write_report(run_folder)
    assert "The stage has left no pictures." in text
    assert text.count("data:image/png") == 15 - 3 - 1
    assert text.count('<svg class="curve"') == 6


@pytest.mark.parametrize("path", ["views/001.png", "novel_views/cameras.json", "mesh/object.glb", "field/curves.csv"])
@pytest.mark.parametrize("damage", ["truncated", "text"])
def test_a_damaged_file_is_named_and_no_page_written(run_folder: RunFolder, path: str, damage: str):
    complete_run(run_folder, box_mesh())
    damaged: Path = run_folder.root / path
    content = damaged.read_bytes()
    damaged.write_bytes(b"hello" if damage == "text" else content[: len(content) // 2])
    if path == "field/curves.csv" and damage == "truncated":
        damaged.write_bytes(content[:-5])
    with pytest.raises(ViewDistillError, match=damaged.name.replace(".", r"\.")) as problem:
        write_report(run_folder)
    assert "\n" not in str(problem.value)
    assert not run_folder.report.exists()
    assert not run_folder.record("report").exists()


@pytest.mark.parametrize(
    ("known", "figures", "said"),
    [
        ({}, MESH, ["elevation of the input camera was not given: 0° is assumed", 'call it "object"']),
        ({"elevation_source": "option", "class_word_source": "caption"}, MESH, []),
        ({"elevation_confidence": 0.3}, MESH, ["could not be told from the image: 0° is assumed; give it"]),
        (
            {"elevation_source": "estimate", "elevation_confidence": 0.6, "elevation_alternatives": (4.0, 22.0)},
            MESH,
            ["is an estimate, within 10° with a probability of 60%; where the mesh leans, try 4° or 22°."],
        ),
        ({"notes": ("two separate objects",)}, MESH, ["Of the image: two separate objects."]),
        (
            {"class_word_source": "prior", "class_word_margin": 6.0},
            MESH,
            ["by the prior, narrowly ahead of the others (margin 6)"],
        ),
        ({"mask_source": "matting"}, MESH, ["cut out by matting"]),
        ({}, {**MESH, "watertight": False}, ["not watertight"]),
        ({}, {**MESH, "texels_from_views": 0.2}, ["Views cover 20% of the texture"]),
        ({}, {"source": "field", "texels_from_views": 0.0}, ["from the radiance field alone"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
def test_warnings(known: dict[str, Any], figures: dict[str, Any], said: list[str]):
    meta = InputMeta("mug", 0.0, "fitted", "mug.png", **known)
    warnings = run_warnings(meta, {"mesh": {"figures": figures}})
    assert all(any(words in warning for warning in warnings) for words in said)
    assert said or not warnings


def test_narrow_is_less_than_twice_what_the_choice_asks_for():
    assert report_warnings.NARROW_CLASS_WORD == 2 * classifier.CLEAR_MARGIN


def test_without_an_input_stage_nothing_is_written(tmp_path: Path):
    with pytest.raises(ViewDistillError, match="no complete input stage"):
        report.run(report.Request(run_folder=tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_an_evaluated_run_shows_its_scores_video_and_commands(run_folder: RunFolder):
    complete_run(run_folder, box_mesh())
    run_folder.turntable.write_bytes(b"film")
    geometry = {"protocol": "surface", "chamfer": {"mean": 0.01234}, "volume_iou": {"reason": "empty"}}
    views = {"of": "mesh", "protocol": "other", "psnr": {"mean": 21.5, "low": 20.0}}
    write_json(run_folder.evaluation, {"geometry": [geometry], "views": [views]})
    text = write_report(run_folder)
    assert '<td>Chamfer distance</td><td>surface</td><td class="number">0.01234</td>' in text
    assert '<td>PSNR, dB</td><td>mesh</td><td class="number">21.5</td>' in text
    assert "Volume IoU" not in text
    assert 'src="data:video/mp4;base64,ZmlsbQ=="' in text
    run = run_folder.root
    assert f"viewdistill specialize --stage=2 --config={run}/specialize_2/config.yaml {run}" in text
    assert f"viewdistill input --out={run} --elevation=20 --class-word=box -- " in text
