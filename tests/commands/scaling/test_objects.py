"""Many objects at once: a real Ray cluster of two workers, one of which dies, interruptions, and errors in one line."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import torch

from commands.main import main
from commands.parsing import parse
from commands.pipeline.recipe import Recipe
from commands.scaling.objects import recipe_of
from datamodules.runs.run_folder import RunFolder, read_json
from tests.commands.scaling.tiny_batch import start_objects, write_images
from tests.processes import ended, wait_for, worker_of
from viewdistill.resources import REPOSITORY

STAGES = ["input", "field", "mesh", "report"]


def told(output: str) -> dict[str, str]:
    """Object and process of each line that tells of a complete object, none twice."""
    lines = re.findall(r"^(\w+): complete, \d+ stages run \(\d+ s, \S+:(\d+), \d+ done\)$", output, re.MULTILINE)
    assert len(dict(lines)) == len(lines), output
    return dict(lines)


def weights(out: Path, name: str) -> dict[str, torch.Tensor]:
    """The fitted field of an object."""
    return torch.load(RunFolder(out / name).field_checkpoint, weights_only=True)["state_dict"]


def assert_equal_results(out: Path, names: str) -> None:
    """One picture under several names became the same object, whoever made it and after whatever."""
    first = weights(out, names[0])
    for name in names:
        folder = RunFolder(out / name)
        assert list(read_json(folder.root / "objects.json")["stages"]) == STAGES
        assert all(folder.record(stage).is_file() for stage in STAGES)
        assert [record["stage"] for record in read_json(folder.summary)["stages"]] == STAGES
        for key, value in weights(out, name).items():
            assert torch.equal(value, first[key]), (name, key)


@pytest.mark.slow
def test_a_killed_workers_object_is_made_by_another(tmp_path: Path, tiny_prior_folder: Path) -> None:
    images, out = write_images(tmp_path / "images", "ab"), tmp_path / "out"
    options = ("--trainer.max_steps=60", "--trainer.limit_val_batches=0")
    with ended(start_objects(images, str(out), tiny_prior_folder, *options)) as process:
        wait_for(lambda: list(out.glob("*/field/last.ckpt")), process)
        name = next(out.glob("*/field/last.ckpt")).parts[-3]
        killed = worker_of(process, out / name / "objects.log")
        killed.kill()
        output, errors = process.communicate(timeout=200)
    assert (process.returncode, errors) == (0, "")
    workers = told(output)
    assert workers.keys() == {"a", "b"}
    assert str(killed.pid) not in workers.values()
    assert "0 of 2 objects were complete before" in output
    # It went on from the dead worker's checkpoint, and to the same end.
    resumed = [path.parent.name for path in out.glob("*/objects.log") if "resuming after step" in path.read_text()]
    assert resumed == [name]
    assert_equal_results(out, "ab")


@pytest.mark.slow
def test_an_interrupted_batch_behind_a_url_goes_on(tmp_path: Path, tiny_prior_folder: Path) -> None:
    images, out = write_images(tmp_path / "images", "ab"), tmp_path / "out"
    (images / "broken.png").write_text("no picture")
    with ended(start_objects(images, f"file://{out}", tiny_prior_folder, workers=1)) as process:
        wait_for(lambda: (out / "a/summary.json").exists(), process)
        process.send_signal(signal.SIGINT)
        first, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "viewdistill objects: interrupted; the same command resumes\n")
    assert told(first).keys() <= {"a"}
    written = {path: path.stat().st_mtime_ns for path in (out / "a").rglob("*")}

    with ended(start_objects(images, f"file://{out}", tiny_prior_folder)) as process:
        second, errors = process.communicate(timeout=200)
    assert process.returncode == 2
    assert errors.splitlines() == [
        f"broken: {images / 'broken.png'}: not an image that can be read; save it as an RGBA PNG",
        "viewdistill objects: 1 of 3 objects failed; fix the problems and run the same command again, "
        "which makes only these",
    ]
    assert told(second).keys() == {"b"}
    assert {path: path.stat().st_mtime_ns for path in (out / "a").rglob("*")} == written
    assert not (out / "broken").exists()
    assert_equal_results(out, "ab")

    # With nothing to do, no cluster is started.
    (images / "broken.png").unlink()
    with ended(start_objects(images, f"file://{out}", tiny_prior_folder)) as process:
        third, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert third.startswith("2 of 2 objects were complete before")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere"], "no such folder"),
        (["."], "no image here"),
        (["images", "--workers=0"], "--workers: 0: must be an integer from 1"),
        (["images", "--preset=none"], "preset 'none': no such preset"),
        (["images", "--options=paint=--red"], "--options paint=--red: give STAGE=OPTIONS"),
        (["images", "--options=field"], "--options field: give STAGE=OPTIONS"),
        (["images", "--options=mesh=--red"], "unrecognised arguments: --red"),
        (["images", "--options=mesh='"], "--options mesh=': No closing quotation"),
        (["images", "--options=field=--print_config"], "--print_config is for `viewdistill field`"),
        (["images", "--out=memory://runs"], "each worker has its own memory"),
    ],
)
def test_what_cannot_begin_ends_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    problem: str,
) -> None:
    write_images(tmp_path / "images", "a")
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["objects", *arguments])
    except SystemExit as stop:  # refused by the parser
        status = stop.code
    assert status == 2
    captured = capsys.readouterr()
    assert problem in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert {path.name for path in tmp_path.iterdir()} == {"images"}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make objects` with a command that prints its arguments, one per line."""
    command = folder / "bin" / "viewdistill"
    command.parent.mkdir(exist_ok=True)
    command.write_text("""#!/bin/sh\nprintf '%s\\n' "$@"\n""")
    command.chmod(0o755)
    (folder / ".installed").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "objects", f"VENV={folder}", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_make_hands_its_settings_on(tmp_path: Path) -> None:
    photos = tmp_path / "my photos"
    photos.mkdir()
    more = "PRESET=debug", "SEED=3", "SOURCE=field", "AT_ONCE=2", "OUT=s3://bucket/my runs"
    result = make(tmp_path, f"IMGS={photos}", "FIELD=--trainer.max_steps 7", "INPUT=--class-word 'red mug'", *more)
    request = parse(result.stdout.splitlines()).request
    recipe = recipe_of(request)
    assert (request.folder, request.out, request.workers) == (photos, "s3://bucket/my runs", 2)
    assert (recipe.preset, recipe.seed, recipe.source) == ("debug", 3, "field")
    assert dict(recipe.options) == {"field": ("--trainer.max_steps", "7"), "input": ("--class-word", "red mug")}
    plain = parse(make(tmp_path, f"IMGS={photos}").stdout.splitlines()).request
    assert (plain.out, plain.workers, recipe_of(plain)) == ("runs", None, Recipe())


def test_make_asks_for_a_folder(tmp_path: Path) -> None:
    result = make(tmp_path)
    assert result.returncode == 2
    assert "make objects IMGS=photos/" in result.stderr
    assert result.stderr.count("\n") == 1
