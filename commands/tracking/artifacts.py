"""Stages' files as W&B artifacts, and their lineage.

A stage logs its files as one artifact and declares those of the stages it read. W&B resolves a *name* only by asking
its service (`Run.use_artifact` does not work offline), so a used artifact is described by its *content*: it is rebuilt
from the files that the stage read, and logged to be "used after commit". W&B identifies artifacts of one name and one
digest, which links the run that read the files with the one that wrote them: online immediately, offline after `wandb
sync`. Names and digests are also in the run's config, independent of the service.

Files are referenced in place: logging copies nothing, and the content is read at the upload. An offline run must
therefore be uploaded before its stage is run again; afterwards only the config's digests document overwritten files.
References (``file://``) would take as little disk, but the service would never get the content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import wandb

from datamodules.class_images import ClassImages
from datamodules.runs.run_folder import RunFolder, read_json

TYPES = {
    "picture": "image",
    "input": "image",
    "field": "field",
    "novel_views": "views",
    "class_images": "images",
    "specialize_1": "lora",
    "specialize_2": "lora",
    "views": "views",
    "surface": "surface",
    "mesh": "mesh",
    "report": "report",
}
"""The type of each stage's artifact."""


def log_artifacts(run: wandb.Run, folder: RunFolder, stage: str, uses: Iterable[str]) -> None:
    """Log a stage's files and inputs, in W&B and in the run's config under ``lineage``.

    Args:
        run: The stage's run.
        folder: The object's run folder.
        stage: A complete stage.
        uses: Complete stages whose files it read.

    Raises:
        ViewDistillError: A record is damaged.
    """
    used = {name: stage_artifact(folder, name) for name in uses}
    wrote = stage_artifact(folder, stage)
    lineage = {
        "uses": {name: described(artifact) for name, artifact in used.items()},
        "wrote": described(wrote),
    }
    run.config.update({"lineage": lineage}, allow_val_change=True)
    for artifact in used.values():
        # `use_artifact` does the same for an artifact that is not logged yet, but fails offline and waits online.
        run._log_artifact(artifact, is_user_created=True, use_after_commit=True)  # pyright: ignore[reportPrivateUsage]
    run.log_artifact(wrote)


def described(artifact: wandb.Artifact) -> dict[str, str]:
    """Name and digest of the content, as the service knows them."""
    return {"artifact": artifact.name, "type": artifact.type, "digest": artifact.digest}


def stage_artifact(folder: RunFolder, stage: str) -> wandb.Artifact:
    """Return the files of a complete stage, by their names within its folder.

    The record itself is left out: seconds differ from run to run, and so would the digest of equal results.
    """
    artifact = wandb.Artifact(artifact_name(folder, stage), type=TYPES[stage])
    for name, path in sorted(artifact_files(folder, stage).items()):
        artifact.add_file(str(path.absolute()), name=name, skip_cache=True, policy="immutable")
    artifact.finalize()
    return artifact


def artifact_files(folder: RunFolder, stage: str) -> dict[str, Path]:
    """Return the stage's recorded files that still exist; those of ``class_images`` lie in a cache."""
    recorded: Iterable[str] = read_json(folder.record(stage)).get("files", ())
    files = {name: folder.stage(stage) / name for name in recorded}
    if stage == "class_images":
        files |= {f"images/{path.name}": path for path in ClassImages.load(folder).paths}
    return {name: path for name, path in files.items() if path.is_file()}


def artifact_name(folder: RunFolder, stage: str) -> str:
    """``<object>-<stage>`` in the characters that W&B allows; different objects get different names."""
    name = folder.root.absolute().name
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:80]
    unique = plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{unique}-{stage}"
