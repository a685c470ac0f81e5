"""The command line as users meet it: help, one-line errors, statuses, and nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands.generation.examples import EXAMPLES
from commands.main import main
from commands.parsing import one_line
from commands.process import SPINS, set_waiting
from commands.table import SUBCOMMANDS
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.runs.stage_record import record_stage
from viewdistill.input.regions import bounding_box
from viewdistill.objects.generator import TEST_SEEDS

REPOSITORY = Path(__file__).parents[2]


def status_of(arguments: list[str]) -> object:
    """Exit status of the command, whether the parser or the subcommand ends it."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def image(tmp_path: Path) -> Path:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[10:30, 20:60] = (200, 30, 30, 255)
    Image.fromarray(rgba).save(tmp_path / "toy.png")
    return tmp_path / "toy.png"


def run_input(image: Path, *options: str) -> RunFolder:
    """The input stage without anything to estimate, unless an option says so."""
    out = image.parent / "runs" / "toy"
    known = ["--no-estimate-elevation", "--class-word", "box"]
    assert main(["input", str(image), "--out", str(out), *known, *options]) == 0
    return RunFolder(out)


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_subcommand_has_help(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: viewdistill {command}")
    assert all(len(line) <= 130 for line in out.splitlines())


def test_help_needs_no_heavy_library():
    code = (
        "import sys; from commands.parsing import build_top_parser; build_top_parser().format_help();"
        "print([m for m in ('torch', 'diffusers', 'pytorch_lightning', 'wandb', 'numba') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert result.stdout.strip() == "[]"


def test_importing_the_package_is_quick_and_light():
    code = (
        "import time; start = time.perf_counter(); import viewdistill, sys; print(time.perf_counter() - start,"
        "any(m in sys.modules for m in ('pytorch_lightning', 'diffusers', 'transformers', 'wandb')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    seconds, heavy = result.stdout.split()
    assert float(seconds) < 1
    assert heavy == "False"


def test_input_writes_the_framed_image_and_its_camera(image: Path):
    folder = run_input(image, "--elevation", "12.5")
    rgba = np.asarray(Image.open(folder.rgba))
    assert rgba.shape == (256, 256, 4)
    assert bounding_box(rgba) == pytest.approx((78, 178, 28, 228), abs=1)
    meta = read_json(folder.input_meta)
    assert (meta["name"], meta["elevation_deg"], meta["framing"]) == ("toy", 12.5, "fitted")
    assert read_json(folder.record("input"))["files"].keys() == {"fingerprint", "meta.json", "rgba.png"}


def test_what_stands_beside_the_image_counts_unless_an_option_says_otherwise(image: Path):
    description = {"elevation_deg": 20, "framing": "kept", "caption": "a red box", "seed": 7}
    image.with_suffix(".json").write_text(json.dumps(description))
    folder = run_input(image)
    meta = read_json(folder.input_meta)
    assert (meta["elevation_deg"], meta["framing"], meta["caption"], meta["seed"]) == (20.0, "kept", "a red box", 7)
    assert bounding_box(np.asarray(Image.open(folder.rgba))) == pytest.approx((40, 120, 80, 240), abs=2)
    folder = run_input(image, "--elevation=-5", "--no-keep-framing")
    meta = read_json(folder.input_meta)
    assert (meta["elevation_deg"], meta["framing"]) == (-5.0, "fitted")


def test_a_json_file_that_is_none_of_ours_is_left_alone(image: Path):
    image.with_suffix(".json").write_text('{"camera": "phone"}')
    assert read_json(run_input(image).input_meta)["elevation_deg"] == 0.0


@pytest.mark.parametrize(
    "options", [["--elevation", "91"], ["--elevation", "nan"], ["--elevation=-inf"]], ids=["steep", "nan", "infinite"]
)
def test_an_impossible_elevation(image: Path, options: list[str], capsys: pytest.CaptureFixture[str]):
    assert status_of(["input", str(image), "--out", str(image.parent / "runs" / "toy"), *options]) == 2
    err = capsys.readouterr().err
    assert "must be a number from -90 to 90 degrees" in err
    assert err.count("\n") == 1
    assert not (image.parent / "runs").exists()


def test_a_bad_image_ends_in_one_line_with_status_2_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    bad = tmp_path / "bad.png"
    bad.write_text("text")
    assert main(["input", str(bad), "--out", str(tmp_path / "runs" / "bad")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"viewdistill input: {bad}: not an image that can be read; save it as an RGBA PNG\n"
    assert [p.name for p in tmp_path.iterdir()] == ["bad.png"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["input"], "required"),
        (["input", "a.png"], "--out"),
        (["nothing"], "invalid choice"),
        (["summary", "runs/none", "--fast"], "unrecognised arguments: --fast"),
        (["input", "a.png", "--out", "b", "--elevation", "high"], "must be a number"),
    ],
)
def test_wrong_usage_is_one_line_with_status_2(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert problem in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["summary", "{}/none"], "no complete stage"),
        (["field", "{}/none"], "no complete input stage"),
        (["mesh", "{}/none"], "no complete input stage"),
        (["mesh", "{}/none", "--faces", "0"], "from 8 to 100,000,000"),
        (["evaluate-prior", "--prior", "{}/none"], "none"),
        (["evaluate-prior", "--objects", "0"], "from 1 to 10,000"),
        (["objects-preview", "--first-seed", "-1", "--count", "1", "--out", "{}/sheet.png"], "-1"),
        (["objects-preview", "--count", "0"], "from 1 to 1,000"),
        (["train", "autoencoder", "--config", "{}/none.yaml"], "no such configuration"),
    ],
)
def test_problems_of_other_stages(
    arguments: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert status_of([argument.format(tmp_path) for argument in arguments]) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_messages_stay_on_one_line():
    assert one_line("a\nfile\x1b[31m  name") == "a file?[31m name"


def test_interrupt_has_its_own_status(image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("commands.stages.input.load_cut_out", interrupted)
    assert main(["input", str(image), "--out", "x"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_summary_shows_and_writes_all_complete_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = RunFolder(tmp_path / "toy")
    for stage, size in (("input", 10), ("field", 2_500)):
        with record_stage(folder.stage(stage), stage):
            (folder.stage(stage) / f"{stage}.bin").write_bytes(b"x" * size)
    assert main(["summary", str(folder.root)]) == 0
    out = capsys.readouterr().out
    assert "input.bin (10 B)" in out
    assert "field.bin (2 kB)" in out
    content = read_json(folder.summary)
    assert [record["stage"] for record in content["stages"]] == ["input", "field"]
    assert content["total"]["peak_memory_mb"] == max(record["peak_memory_mb"] for record in content["stages"])


def test_objects_preview_draws_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "sheet.png"
    assert main(["objects-preview", "--out", str(path), "--count", "3", "--size", "24"]) == 0
    assert np.asarray(Image.open(path)).std() > 5
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_examples_are_unseen_objects_of_different_families_and_elevations():
    from viewdistill.objects.generator import generate

    assert all(example.seed in TEST_SEEDS for example in EXAMPLES)
    objects = {example.name: generate(example.seed) for example in EXAMPLES}
    assert len({obj.family for obj in objects.values()}) == len(EXAMPLES) >= 8
    assert len({example.elevation_deg for example in EXAMPLES}) >= 5
    assert objects["robot"].family == "robot"


def test_shipped_examples_are_what_the_command_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chosen = [example for example in EXAMPLES if example.name in ("robot", "vase")]
    monkeypatch.setattr("commands.generation.examples.EXAMPLES", chosen)
    assert main(["examples", "--out", str(tmp_path), "--ground-truth"]) == 0
    for example in chosen:
        fresh, shipped = (
            np.asarray(Image.open(folder / f"{example.name}.png")).astype(int)
            for folder in (tmp_path, REPOSITORY / "examples")
        )
        assert (np.abs(fresh - shipped) <= 1).mean() > 0.999
        assert (tmp_path / f"{example.name}.json").read_text() == (
            REPOSITORY / "examples" / f"{example.name}.json"
        ).read_text()
        assert (tmp_path / f"{example.name}.glb").stat().st_size > 1000


def test_a_closed_pipe_gives_no_stack_trace(tmp_path: Path):
    folder = RunFolder(tmp_path)
    with record_stage(folder.stage("input"), "input"):
        (folder.stage("input") / "a").write_text("")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "import sys; from commands.main import main; sys.exit(main())"]
    result = subprocess.run(
        [*command, "summary", str(tmp_path)],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    os.close(write)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("given", "spins"),
    [
        ({}, SPINS),
        ({"MAKEFLAGS": "rR --no-print-directory"}, SPINS),
        ({"MAKEFLAGS": "rR -j2 --jobserver-auth=3,4"}, None),
        ({"MAKEFLAGS": "rR --jobserver-auth=fifo:/tmp/fifo"}, None),
        ({"GOMP_SPINCOUNT": "0"}, "0"),
    ],
)
def test_only_threads_of_a_lone_stage_wait_awake(
    given: dict[str, str], spins: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAKEFLAGS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, given.get(name, ""))  # also where it is deleted next: so it is restored
        if name not in given:
            monkeypatch.delenv(name)
    set_waiting()
    assert os.environ.get("GOMP_SPINCOUNT") == spins
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_how_threads_wait_is_set_before_a_subcommand_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("commands.process.set_waiting", lambda: done.append("set"))
    assert main(["summary", str(tmp_path / "nothing")]) == 2
    assert done == ["set"]
