"""What `viewdistill evaluate` cannot use is said in one line."""

from pathlib import Path

import pytest
import trimesh

from commands.main import main
from datamodules.runs.run_folder import InputMeta, RunFolder, write_json


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "needs what to score"),
        (["{run}", "--mesh={box}"], "needs what to score"),
        (["--mesh={box}"], "needs a ground truth"),
        (["--mesh={box}", "--gt={box}", "--object=3"], "two ground truths"),
        (["--mesh={text}", "--gt={box}"], "cannot be read as a mesh"),
        (["--mesh={box}", "--gt={text}"], "cannot be read as a mesh"),
        (["--mesh={box}", "--object=4000000000"], "object seed 4000000000 is in no range"),
        (["--mesh={box}", "--gt={box}", "--field"], "--field is for a run"),
        (["--mesh={box}", "--object=3", "--gt-up=z"], "for a mesh that --gt names"),
        (["{run}", "--gt={box}", "--mesh-up=z"], "--mesh-up is for a mesh"),
        (["--views={folder}", "--gt={box}"], "neither cameras.json nor SyncDreamer's"),
        (["--mesh={box}", "--gt={folder}"], "neither cameras.json nor SyncDreamer's"),
        (["{run}"], "the input is not a generated object; give the ground truth with --gt"),
        (["{folder}", "--gt={box}"], "no complete input stage"),
        (["{run}", "--gt={box}"], "no complete mesh or views here"),
        (["{run}", "--gt={box}", "--field"], "no complete field stage"),
    ],
)
def test_problems_are_one_line(
    run_folder: RunFolder, tmp_path: Path, options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
):
    places = {"run": run_folder.root, "box": tmp_path / "box.ply", "none": tmp_path / "none"}
    places |= {"text": tmp_path / "a.txt", "folder": tmp_path / "folder"}
    trimesh.creation.box().export(places["box"])
    places["text"].write_text("words")
    places["folder"].mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert main(["evaluate", *(option.format(**places) for option in options)]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("description", "problem"), [(None, "is not there to say"), ({}, "does not say")])
def test_an_object_whose_camera_is_not_known(
    run_folder: RunFolder,
    tmp_path: Path,
    description: dict[str, float] | None,
    problem: str,
    capsys: pytest.CaptureFixture[str],
):
    source = tmp_path / "robot.png"
    if description is not None:
        write_json(source.with_suffix(".json"), description)
    InputMeta("robot", 20.0, "kept", str(source), seed=10_000_045).save(run_folder.input_meta)
    assert main(["evaluate", str(run_folder.root)]) == 2
    assert f"{problem} where the camera stood around object 10000045" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--gt=none", "--gt: none: must be a file or a folder; nothing is there"),
        ("--mesh=none", "--mesh: none: must be a file; no such file"),
        ("--object=-1", "--object: -1: must be an integer from 0 to 4,294,967,295"),
        ("--size=8", "--size: 8: must be an integer from 16 to 2,048"),
        ("--azimuth=nan", "--azimuth: nan: must be a number from -360 to 360 degrees"),
        ("--max-faces=0", "--max-faces: 0: must be an integer from 1 to"),
    ],
)
def test_options_out_of_bounds_are_refused(option: str, problem: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as refusal:
        main(["evaluate", option])
    error = capsys.readouterr().err
    assert (refusal.value.code, error.count("\n")) == (2, 1)
    assert problem in error
