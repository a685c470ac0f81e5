"""Tests of kernels on a GPU, as parts of `experiments.gpu.check`.

Pytest runs in a process of its own: nothing here takes long to import.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

from experiments.gpu.part_figures import PartFigures
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

TESTS = REPOSITORY / "tests" / "viewdistill"
KERNEL_TESTS = (
    TESTS / "fields" / "test_hash_grid_contract.py",
    TESTS / "rendering" / "test_compositing.py",
    TESTS / "rendering" / "test_marching.py",
    TESTS / "diffusion" / "test_placement.py",
)
NERFACC_TESTS = (TESTS / "rendering" / "test_nerfacc_traversal.py",)
PLAIN_PYTEST = ["-p", "no:cacheprovider", "--import-mode=importlib", "-o", "addopts=", "-o", "filterwarnings=default"]
"""Without the plugins of the development environment, which such a machine need not have."""


def kernels(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """Tests marked ``gpu``, first and second order, half and single precision."""
    files = KERNEL_TESTS[:1] if dry_run else KERNEL_TESTS
    run_tests(figures, out, files, "not gpu and not slow" if dry_run else "gpu", "lattice_points" if dry_run else "")


def nerfacc(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """Compile nerfacc's CUDA code, then march with it."""
    if importlib.util.find_spec("nerfacc") is None:
        raise ModuleNotFoundError("nerfacc is not installed")
    if not dry_run:
        # Here and not above: it imports torch.
        from viewdistill.rendering.nerfacc_traversal import require

        begun = time.monotonic()
        require()
        figures.add(compile_seconds=time.monotonic() - begun)
    run_tests(figures, out, NERFACC_TESTS, "not gpu" if dry_run else "gpu", "")


def run_tests(figures: PartFigures, out: Path, files: tuple[Path, ...], marked: str, named: str) -> None:
    """Run some files' tests, with their counts as figures.

    Raises:
        ViewDistillError: A test failed, or none was selected.
    """
    report = out / f"{files[-1].stem}.xml"
    chosen = ["-m", marked, *(["-k", named] if named else [])]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        *PLAIN_PYTEST,
        *chosen,
        f"--junitxml={report}",
        *map(str, files),
    ]
    subprocess.run(command, cwd=REPOSITORY, check=False)
    if not report.is_file():
        raise ViewDistillError("pytest did not run")
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    figures.add(**counts)
    if counts["failures"] or counts["errors"] or counts["tests"] == counts["skipped"]:
        raise ViewDistillError(
            f"{counts['failures'] + counts['errors']} tests failed, {counts['skipped']} were left out"
        )
