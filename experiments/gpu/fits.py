"""Fits of the embedded priors on a GPU, to the end, as a part of `experiments.gpu.check`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from datamodules.runs.run_folder import read_json
from experiments.gpu.commands import viewdistill
from experiments.gpu.part_figures import PartFigures
from viewdistill.resources import REPOSITORY

FIT = ("field", "surface")
"""The stages that are fitted to the end."""

BROUGHT = "cpu"
"""Folder of a bundle with the refined views of a CPU's run, and the records of its fits by stage."""

TEXT_PRIOR = REPOSITORY / "priors" / "nano" / "stable-diffusion" / "unet"
"""Left out of a bundle; without it the surface compares the input view by its pixels alone."""


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
