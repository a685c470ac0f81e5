"""Memory: a stage that cannot fit is refused, one that takes too much ends in one line, each has its own peak."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commands.main import main
from commands.parsing import build_parser
from commands.pipeline.recipe import Recipe
from commands.table import SUBCOMMANDS
from datamodules.runs.memory import measured_memory
from datamodules.runs.memory_limit import VARIABLE, budget, chosen_limit, limit_set, parse_bytes, require
from datamodules.runs.memory_need import LIBRARIES_MB, needed_mb
from datamodules.runs.stages import STAGES, Route
from tests.commands.scaling.tiny_batch import write_images
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GB", 8e9), ("500 mb", 5e8), ("2GiB", 2**31), ("1.5g", None), ("9000000000", 9e9), ("1kB", None)],
)
def test_sizes_of_memory(text: str, size: float | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="at least 100 MB, as 8GB"):
            parse_bytes(text)
    else:
        assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "-1", "0", "nan", "inf", "1e99", "8 GB of it", "9" * 400, "8GB\n8GB"])
def test_what_is_no_size_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="must be a size of memory"):
        parse_bytes(text)
    monkeypatch.setenv(VARIABLE, text)
    if text:
        with pytest.raises(ViewDistillError, match=f"{VARIABLE}=.*must be a size"):
            budget()


def test_the_smaller_of_limit_and_machine_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    free = budget()
    assert (free.words, chosen_limit()) == ("free here", None)
    with limit_set(10**14):
        assert budget().words == "free here"
    with limit_set(2 * 10**8):
        assert budget().megabytes == 200
        with pytest.raises(ViewDistillError, match=r"^toy: needs about 1\.5 GB of memory, and 0\.2 GB are the limit"):
            require("toy", 1500.0)
    require("toy", min(100.0, free.megabytes))


def test_every_stage_has_an_estimate_that_grows_with_its_sizes(tmp_path: Path) -> None:
    larger = {
        "field": "--model.field.n_samples_per_ray=512",
        "surface": "--data.rays_per_step=65536",
        "specialize_1": "--data.instances_per_step=64",
        "class_images": "--data.images_per_batch=512",
        "mesh": "--resolution=512",
    }
    recipe = Recipe()
    for stage in Route().stages:
        job = recipe.job(stage, Path("examples/robot.png"), tmp_path)
        needed = needed_mb(stage, job.settings, tmp_path)
        assert LIBRARIES_MB <= needed < 1500, stage
        if stage in larger:
            grown = Recipe(options=((stage, (larger[stage],)),)).job(stage, Path("x.png"), tmp_path)
            assert needed_mb(stage, grown.settings, tmp_path) > needed + 50, stage


def test_every_command_that_runs_stages_has_the_option() -> None:
    names = {"object", "objects", *(stage.subcommand[0] for stage in STAGES.values())}
    for name, subcommand in SUBCOMMANDS.items():
        assert ("--memory-limit" in build_parser(subcommand).format_help()) == (name in names), name


def test_a_stage_that_cannot_fit_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_images(tmp_path / "images", "a") / "a.png"
    runs = tmp_path / "runs"
    assert main(["object", str(image), "--preset=debug", f"--runs={runs}", "--memory-limit=300MB"]) == 2
    assert "input: needs about 0.8 GB of memory, and 0.3 GB are the limit (--memory-limit)" in capsys.readouterr().err
    assert not runs.exists()


GREEDY = """
import sys
import numpy as np, torch
from commands.guard import guarded
from datamodules.runs.memory_limit import bounded
def work():
    with bounded("toy"):
        torch.ones(10)
        {greed}
status = guarded("viewdistill toy", work)
np.ones(2 * 10**8, np.uint8)  # what follows is not bounded
sys.exit(status)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system's bound is Linux's")
@pytest.mark.parametrize("greed", ["torch.ones(10**9)", "np.ones(10**9)", "[bytes(10**8) for _ in range(80)]"])
def test_what_takes_too_much_ends_in_one_line(greed: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", GREEDY.replace("{greed}", greed)],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", VARIABLE: "1GB", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1, process.stderr
    assert process.stderr.startswith("viewdistill toy: toy: out of memory: more than the 1.0 GB that are the limit")
    assert process.stderr.count("\n") == 1


def test_the_second_job_of_a_process_has_a_peak_of_its_own() -> None:
    with measured_memory() as first:
        large = np.ones(300 * 10**6, np.uint8)
        grown = first.megabytes
        del large
    with measured_memory() as second:
        small = np.ones(10**6, np.uint8)
        assert second.megabytes < grown - 200
        del small
