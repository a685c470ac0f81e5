"""The GPU check: every part's code at tiny sizes on a CPU, and what becomes of parts that fail."""

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from datamodules.runs.run_folder import read_json
from experiments.gpu import check as gpu_check
from experiments.gpu.bundle import main as bundle
from experiments.gpu.check import PARTS, CheckPart, finish, main, run_here
from experiments.gpu.steps import MEMORY, embedded_variants, field_parser, full_size_variants, settings_of
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

# Of jsonargparse, about names that it is about to drop; the pinned versions fit together.
pytestmark = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")

FIGURES = {
    "kernels": {"tests", "failures"},
    "steps": {"nano fp32", "full fp16", "usd_against_official"},
    "grid": {"copy_gb_per_s", "numba ms", "numba times as fast as torch"},
    "fits": {"field"},
    "nerfacc": {"tests", "failures"},
    "training": {"text-to-image", "view-synthesis"},
}


@pytest.mark.parametrize("part", FIGURES)
def test_a_part_runs_dry(part: str, tmp_path: Path) -> None:
    """In this process, which has the libraries; `gpu_check` starts one for each."""
    assert run_here(part, tmp_path, dry_run=True) == 0
    assert set(read_json(tmp_path / f"{part}.json")) >= FIGURES[part]


def test_a_part_in_a_process_of_its_own_is_reported(tmp_path: Path) -> None:
    assert main(["--dry-run", "--parts", "grid", f"--out={tmp_path}"]) == 0
    (outcome,) = read_json(tmp_path / "gpu_check.json")["parts"]
    assert outcome["status"] == "passed", outcome
    assert set(outcome["figures"]) >= FIGURES["grid"]
    assert "| grid |" in (tmp_path / "gpu_check.md").read_text(encoding="utf-8")


def test_settings_of_every_variant_are_those_of_the_field() -> None:
    """Which only a GPU measures."""
    variants = [*embedded_variants(), *full_size_variants()]
    assert len({name for name, _, _ in variants}) == 3 + 3 + 1 + len(MEMORY) + 1
    parser = field_parser()
    for variant in variants:
        parser.parse_object(settings_of(variant)["model"]["init_args"])


def test_a_bundle_wants_a_run(tmp_path: Path) -> None:
    with pytest.raises(ViewDistillError, match="has no refined views; make it first"):
        bundle([f"--out={tmp_path / 'bundle'}", f"--run={tmp_path}", "--no-wheels"])


def test_every_part_can_be_run() -> None:
    assert {part.name for part in PARTS} == set(FIGURES)


@pytest.mark.parametrize("part", ["kernels", "grid"])
def test_a_part_loads_only_what_it_needs(part: str) -> None:
    """The seconds of a GPU are few, and diffusers and Lightning take eight to import."""
    module = next(each.module for each in PARTS if each.name == part)
    code = f"import sys, experiments.gpu.check, experiments.gpu.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert not {"diffusers", "transformers", "pytorch_lightning"} & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("code", "limit", "status"),
    [
        ("print('seen'); raise SystemExit(1)", 60, "failed"),
        ("print('seen'); raise SystemExit(3)", 60, "lacks what it needs"),
        ("import time; print('seen', flush=True); time.sleep(60)", 3, "too slow"),
    ],
)
def test_a_part_that_does_not_pass_is_noted(
    code: str, limit: float, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen: Any = gpu_check.subprocess.Popen
    monkeypatch.setattr(
        gpu_check.subprocess, "Popen", lambda _, **options: popen([sys.executable, "-c", code], **options)
    )
    part = CheckPart("grid", "nothing", limit, "grid")
    process = gpu_check.start(part, tmp_path, False)
    outcome = finish(part, process, gpu_check.time.monotonic() + limit, tmp_path)
    assert (outcome.status, outcome.output.strip()) == (status, "seen")


def test_the_bundle_holds_what_the_check_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "robot"
    for stage in ("views", "field"):
        (run / stage).mkdir(parents=True)
        (run / stage / "stage.json").write_text("{}", encoding="utf-8")
    bundle([f"--out={tmp_path / 'bundle'}", f"--run={run}", "--no-wheels"])
    with tarfile.open(tmp_path / "bundle" / "code.tar.xz") as code:
        held = {name.removeprefix("./") for name in code.getnames()}
    assert held >= {"experiments/gpu/check.py", "examples/robot.png", "configs/field.yaml", "cpu/field.json"}
    assert (tmp_path / "bundle" / "gpu-check.sh").is_file()
    assert "MB; there: sh gpu-check.sh" in capsys.readouterr().out
