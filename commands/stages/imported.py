"""Posed pictures from elsewhere as the ``input`` and ``views`` stages of a run."""

import sys
from pathlib import Path

from datamodules.imported_views import import_views
from datamodules.runs.locks import held
from datamodules.runs.run_folder import RunFolder, read_json
from datamodules.runs.stage_record import record_stage
from datamodules.runs.staleness import file_identity, kept_key, stage_key
from datamodules.transforms import load_transforms
from viewdistill.errors import ViewDistillError

STAGES = ("input", "views")
"""Stages replaced by posed pictures."""

ORIGIN = "imported_from"
"""Figure of their records that names the file."""


def import_pictures(folder: RunFolder, source: Path) -> None:
    """Complete the stages from a ``transforms.json``, unless they were made from the same files.

    Args:
        folder: The run; a new one, or one of imported pictures.
        source: The file.

    Raises:
        ViewDistillError: The file or a picture cannot be used, or the run has stages of its own.
    """
    own = [name for name in STAGES if folder.record(name).is_file() and ORIGIN not in figures(folder, name)]
    if own:
        raise ViewDistillError(f"{folder.root}: has its own {own[0]} stage; give another run folder for {source}")
    pictures = load_transforms(source)
    files = {str(index): file_identity(picture.path) for index, picture in enumerate(pictures)}
    files["cameras"] = file_identity(source)
    keys = {name: stage_key(name, {ORIGIN: "transforms"}, folder.root, files) for name in STAGES}
    if all(folder.record(name).is_file() and kept_key(folder.stage(name)) == keys[name] for name in STAGES):
        return
    told = {ORIGIN: str(source), "views": len(pictures)}
    with held(folder.stage("views")), record_stage(folder.stage("input"), "input", keys["input"]) as first:
        with record_stage(folder.stage("views"), "views", keys["views"]) as second:
            notes = import_views(folder, pictures, source)
            second.update(told)
        first.update(told)
    for note in notes:
        print(note, file=sys.stderr)


def figures(folder: RunFolder, stage: str) -> dict[str, object]:
    """Return the figures of a complete stage's record."""
    return read_json(folder.record(stage)).get("figures", {})
