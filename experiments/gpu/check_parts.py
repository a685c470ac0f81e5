"""Parts of `experiments.gpu.check`: their work and measurements.

A part takes its figures' book, the folder for its files, and whether to run at tiny sizes on a CPU.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

from datamodules.objects.object_sets import ObjectSets
from datamodules.objects.rendered_objects import ObjectImages
from datamodules.runs.run_folder import read_json
from experiments.gpu.commands import viewdistill
from experiments.gpu.part_figures import PartFigures
from experiments.gpu.steps import official_ratio, steps
from viewdistill.errors import ViewDistillError
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig
from viewdistill.fields.hash_grid_backends import obstacle
from viewdistill.rendering.nerfacc_traversal import require
from viewdistill.resources import REPOSITORY

TESTS = REPOSITORY / "tests" / "viewdistill"
KERNEL_TESTS = (
    TESTS / "fields" / "test_hash_grid_contract.py",
    TESTS / "rendering" / "test_compositing.py",
    TESTS / "rendering" / "test_marching.py",
    TESTS / "diffusion" / "test_placement.py",
)
NERFACC_TESTS = (TESTS / "rendering" / "test_nerfacc_traversal.py",)
FIT = ("field", "surface")
"""The stages that are fitted to the end."""

BROUGHT = "cpu"
"""Folder of a bundle with the refined views of a CPU's run, and the records of its fits by stage."""

VIEW_PRIOR = REPOSITORY / "priors" / "nano" / "zero123"

TEXT_PRIOR = REPOSITORY / "priors" / "nano" / "stable-diffusion" / "unet"
"""Left out of a bundle; without it the surface compares the input view by its pixels alone."""

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


def step_times(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """The field's step in all its variants, and `usd` against the official eight evaluations."""
    steps(figures, out, dry_run)
    official_ratio(figures, out, dry_run)


def grid(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """Encoding, table gradient and second order of each back end, and their share of the copy bandwidth."""
    del out
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = HashGridConfig(2, 2, 8, 4, 2.0) if dry_run else HashGridConfig()
    points = torch.rand(256 if dry_run else 1 << 20, 3, device=device)
    weights = torch.randn(len(points), config.n_output_dims, device=device)
    source = torch.rand(1 << (20 if dry_run else 28), device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * source.nbytes / median_seconds(lambda: target.copy_(source))
    figures.add(copy_gb_per_s=bandwidth / 1e9)
    # bytes that no cache saves: eight corners' rows of every level, the point, the features
    moved = len(points) * (4 * 3 + 4 * config.n_output_dims + 8 * 4 * config.n_output_dims)
    plain: dict[str, float] = {}
    for backend in ("torch", "triton", "tinycudann") if device.type == "cuda" else ("torch", "numba"):
        if backend in ("triton", "tinycudann") and (problem := obstacle(backend, device)):  # pyright: ignore[reportArgumentType]
            figures.add(**{backend: problem})
            continue
        seconds = grid_seconds(HashGrid(config, backend).to(device), points, weights)  # pyright: ignore[reportArgumentType]
        plain = plain or seconds
        figures.add(
            **{
                f"{backend} ms": {name: 1e3 * value for name, value in seconds.items()},
                f"{backend} times as fast as torch": {name: plain[name] / value for name, value in seconds.items()},
                f"{backend} share of copy bandwidth": moved / seconds["forward"] / bandwidth,
            }
        )


def grid_seconds(module: HashGrid, points: torch.Tensor, weights: torch.Tensor) -> dict[str, float]:
    """Median seconds of the encoding, with the table's gradient, and of the point gradient's derivative."""

    def forward() -> None:
        with torch.no_grad():
            module(points)

    def table_gradient() -> None:
        module.zero_grad()
        module(points).backward(weights)

    def second_order() -> None:
        module.zero_grad()
        g = weights.clone().requires_grad_()
        module.point_gradient(points, g).square().sum().backward()

    works = {"forward": forward, "with table gradient": table_gradient, "second order": second_order}
    return {name: median_seconds(work) for name, work in works.items()}


def median_seconds(work: Callable[[], object], repeats: int = 9) -> float:
    """Of several runs after two, waited for."""
    seconds: list[float] = []
    for _ in range(repeats + 2):
        begun = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[2:])


def fits(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """The embedded priors' field and surface to the end, with the CPU's figures beside them where they were brought."""
    run, brought = out / "robot", REPOSITORY / BROUGHT
    viewdistill("input", REPOSITORY / "examples" / "robot.png", "--out", run)
    if brought.is_dir():
        shutil.copytree(brought / "views", run / "views", dirs_exist_ok=True)
    for stage in FIT if brought.is_dir() else FIT[:1]:
        options = ["--trainer.logger=false"]
        if dry_run:
            debug = REPOSITORY / "configs" / "presets" / "debug" / f"{stage}.yaml"
            options += [f"--config={debug}", "--trainer.max_steps=2"]
        if stage == "surface" and not TEXT_PRIOR.is_dir():
            options.append("--model.reference.method=mse")
        viewdistill(stage, run, *options)
        figures.add(**{stage: brief(read_json(run / stage / "stage.json"))})
        if (record := brought / f"{stage}.json").is_file():
            figures.add(**{f"{stage} on a CPU": brief(read_json(record))})


def brief(record: dict[str, Any]) -> dict[str, float]:
    """Seconds of a stage's record, and the losses that were logged last."""
    logged: dict[str, float] = record.get("figures", {}).get("metrics", {})
    return {"seconds": record["seconds"]} | {name: v for name, v in logged.items() if name.startswith("loss")}


def training(figures: PartFigures, out: Path, dry_run: bool) -> None:
    """Half a minute of each prior's training with its preset for a GPU, on a few objects: samples per second."""
    sets = training_sets(str(out / "objects"), dry_run)
    ObjectImages(sets).prepare_data()
    settings: dict[str, object] = {
        "trainer.logger": "false",
        "trainer.callbacks": "null",
        "data.vae": VIEW_PRIOR / "vae",
    }
    settings |= {f"data.sets.{name}": value for name, value in asdict(sets).items()}
    if dry_run:
        settings |= {"trainer.accelerator": "cpu", "trainer.precision": "32-true", "data.render_workers": 0}
        settings |= {"data.batches.size": 2, "data.batches.validation": 1}
    starts: dict[str, dict[str, object]] = {
        "text-to-image": {"model.tokenizer_folder": Path(sets.folder) / "tokenizer"},
        # Of the shape of the 2D prior's, which a bundle leaves out; what it has learned does not change the rate.
        "view-synthesis": {
            "model.initial_unet": VIEW_PRIOR / "unet",
            "model.vae": VIEW_PRIOR / "vae",
            "model.lifting": VIEW_PRIOR / "lifting",
        },
    }
    for model, start in starts.items():
        preset = REPOSITORY / "configs" / "presets" / "gpu" / f"{model.replace('-', '_')}.yaml"
        given = [f"--{name}={value}" for name, value in (settings | start).items()]
        folder, minutes = out / model, 0.001 if dry_run else 0.5
        viewdistill("train", model, f"--out={folder}", f"--config={preset}", f"--minutes={minutes}", *given)
        counts = torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)["training"]
        figures.add(**{model: counts | {"samples per second": counts["samples"] / max(counts["seconds"], 1)}})


def training_sets(folder: str, dry_run: bool) -> ObjectSets:
    """As few objects as show the rate: they are rendered first."""
    if dry_run:
        return ObjectSets(folder, 2, 2, 2, objects_per_shard=2, views_per_object=4, held_out=2)
    return ObjectSets(folder, 200, 200, 200, objects_per_shard=50, held_out=8)


RUN: dict[str, Callable[[PartFigures, Path, bool], None]] = {
    "kernels": kernels,
    "steps": step_times,
    "grid": grid,
    "fits": fits,
    "nerfacc": nerfacc,
    "training": training,
}
"""The parts by name."""
