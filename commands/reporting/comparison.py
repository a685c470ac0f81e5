"""Figures of one run, in the form in which runs are compared."""

from collections.abc import Callable, Iterable
from typing import Any

from datamodules.runs.run_folder import InputMeta, RunFolder
from datamodules.runs.stage_record import complete_records
from viewdistill.documents import read_yaml
from viewdistill.errors import ViewDistillError

LOCAL = ("trainer.logger.", "trainer.default_root_dir", "config")
"""Settings of places, which do not affect results."""


def run_figures(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Settings, last losses, seconds, memory and the mesh's figures of a run, each a section of figures by name.

    Raises:
        ViewDistillError: No stage is complete, or a file is damaged.
    """
    records = complete_records(folder)
    records.pop("report", None)
    if not records:
        raise ViewDistillError(f"{folder.root}: no complete stage here; run `make object IMG=…` first")
    return {
        "settings": settings(folder, list(records)),
        "last losses": last_losses(records),
        "seconds": with_last({stage: float(record["seconds"]) for stage, record in records.items()}, "all", sum),
        "peak memory, MB": with_last(
            {stage: float(record["peak_memory_mb"]) for stage, record in records.items()}, "largest", max
        ),
        "mesh": records.get("mesh", {}).get("figures", {}),
    }


def with_last(figures: dict[str, float], name: str, total: Callable[[Iterable[float]], float]) -> dict[str, float]:
    """Return the total costs of stages."""
    return {**figures, name: float(total(figures.values()))}


def settings(folder: RunFolder, stages: list[str]) -> dict[str, Any]:
    """Settings of complete stages as ``stage.key.key``; the run's own folder is written as RUN."""
    found: dict[str, Any] = {}
    if "input" in stages:
        meta = InputMeta.load(folder.input_meta)
        found |= {"input.source": meta.source, "input.elevation_deg": meta.elevation_deg}
        found |= {"input.class_word": meta.class_word, "input.framing": meta.framing}
    for stage in stages:
        path = folder.config(stage)
        if path.is_file():
            own = flattened(read_yaml(path, "run its stage again"), stage)
            left_out = tuple(f"{stage}.{name}" for name in LOCAL)
            # The stage's own path: the run may have been moved since.
            root = str(own.get(f"{stage}.data.init_args.run_folder", folder.root))
            found |= {
                key: value.replace(root, "RUN") if isinstance(value, str) else value
                for key, value in own.items()
                if not key.startswith(left_out)
            }
    return found


def flattened(content: Any, name: str) -> dict[str, Any]:
    """Leaves of nested settings by dotted names; lists of plain values are leaves."""
    if isinstance(content, dict):
        entries = [(f"{name}.{key}", value) for key, value in content.items()]
    elif isinstance(content, list) and any(isinstance(value, dict) for value in content):
        entries = [(f"{name}.{index}", value) for index, value in enumerate(content)]
    else:
        return {name: str(content) if isinstance(content, list) else content}
    return {key: leaf for entry, value in entries for key, leaf in flattened(value, entry).items()}


def last_losses(records: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return the last loss of each fitted stage and its terms."""
    return {
        f"{stage}: {name}": value
        for stage, record in records.items()
        for name, value in record.get("figures", {}).get("metrics", {}).items()
        if (name == "loss" or name.startswith("loss/")) and isinstance(value, int | float)
    }
