"""One run of Weights & Biases per object: all stages' settings, logs, pictures and files, and its scores.

It is built from the run folder's files after the report, and again after an evaluation: always completely, under one
identity, so that the newer version replaces the older one, in the service and on disk. Curves are those of
``curves.csv``, which a resumed stage continues. Each stage counts its own steps.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from typing import Any

from commands.tracking.run import RunDescription, first_line, run_mode, start_run
from commands.tracking.stage import stage_config
from commands.tracking.tags import run_tags
from datamodules.runs.curves import load_rows
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.runs.stages import STAGES, Route

JOB_TYPE = "object"
"""Job type that distinguishes these runs from those of single stages."""


def track_object(folder: RunFolder) -> None:
    """Log all complete stages of an object and its scores to W&B, in one run.

    It is named `<object>`, in the group of the runs' folder: a batch, or an arm of an ablation. Any error of W&B
    becomes a line on the standard error.
    """
    if run_mode() == "disabled":
        return
    name = folder.root.absolute().name
    try:
        settings = {stage: stage_config(folder, stage, {}) for stage in complete_stages(folder)}
        for kept in folder.root.glob(f"wandb/offline-run-*-{object_id(folder)}"):
            shutil.rmtree(kept)
        described = RunDescription(
            name,
            folder.root,
            folder.root.absolute().parent.name,
            JOB_TYPE,
            tags=run_tags(settings, (), folder.root),
            config={stage: content for stage, content in settings.items() if content},
            id=object_id(folder),
        )
        run = start_run(described, live=False)
        try:
            if not run.disabled:
                tell(run, folder)
        finally:
            run.finish()
    except Exception as error:  # an error of W&B, or of a file damaged since: the object is complete in any case
        print(f"{name}: W&B has only a part of it ({first_line(error)})", file=sys.stderr)


def object_id(folder: RunFolder) -> str:
    """Return the identity of an object's run: the same for the same folder."""
    return hashlib.sha256(str(folder.root.absolute()).encode()).hexdigest()[:16]


def complete_stages(folder: RunFolder) -> tuple[str, ...]:
    """Return the complete stages in the order of the table."""
    return tuple(stage for stage in STAGES if folder.record(stage).is_file())


def tell(run: Any, folder: RunFolder) -> None:
    """Log everything to an open run.

    Raises:
        ViewDistillError: A file of a complete stage is damaged.
    """
    # Imported here because they bring W&B, which is not needed if disabled.
    from commands.tracking.artifacts import described, stage_artifact
    from commands.tracking.media import stage_media

    stages = complete_stages(folder)
    for stage in stages:
        run.define_metric(f"{stage}/step", hidden=True)
        run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
        for row in load_rows(folder.curves(stage)):
            run.log({f"{stage}/step": row.step, **{f"{stage}/{name}": value for name, value in row.metrics.items()}})
    run.log({f"{stage}/{name}": shown for stage in stages for name, shown in stage_media(folder, stage).items()})
    wrote = {stage: stage_artifact(folder, stage) for stage in stages}
    for artifact in wrote.values():
        run.log_artifact(artifact)
    route = Route(words="picture" in stages)
    needs = {stage: [needed for needed in route.needs(stage) if needed in wrote] for stage in stages}
    lineage = {
        stage: {"uses": {needed: described(wrote[needed]) for needed in needs[stage]}, "wrote": described(wrote[stage])}
        for stage in stages
    }
    run.config.update({"object": read_json(folder.input_meta), "lineage": lineage}, allow_val_change=True)
    run.summary.update(costs(folder, stages) | scores(folder))


def costs(folder: RunFolder, stages: tuple[str, ...]) -> dict[str, float]:
    """Return seconds and memory of all stages, with their sum and largest."""
    records = {stage: read_json(folder.record(stage)) for stage in stages}
    parts = {
        f"{stage}/{name}": record[name] for stage, record in records.items() for name in ("seconds", "peak_memory_mb")
    }
    return {
        **parts,
        "seconds": sum(record["seconds"] for record in records.values()),
        "peak_memory_mb": max((record["peak_memory_mb"] for record in records.values()), default=0.0),
    }


def scores(folder: RunFolder) -> dict[str, float]:
    """Return the figures of ``evaluation.json`` by flat names, as ``scores/geometry/surface/chamfer``."""
    content = read_json(folder.evaluation) if folder.evaluation.is_file() else {}
    found: dict[str, float] = {}
    for table in ("geometry", "views", "consistency"):
        for row in content.get(table, ()):
            label = "/".join(str(row[name]) for name in ("of", "protocol") if name in row)
            means = {name: value.get("mean") for name, value in row.items() if isinstance(value, dict)}
            # An unavailable figure, such as the PSNR of equal pictures, has no mean.
            known = {name: mean for name, mean in means.items() if isinstance(mean, int | float)}
            found |= {f"scores/{table}/{label}/{name}": float(mean) for name, mean in known.items()}
    return found
