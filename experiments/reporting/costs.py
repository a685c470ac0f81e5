"""Costs of the stages of a study's arms, as tables."""

import csv
import io
from dataclasses import astuple, dataclass, fields
from statistics import fmean

from experiments.running.comparison import Comparison


@dataclass(frozen=True)
class StageCost:
    """One stage of one arm."""

    arm: str
    stage: str
    runs: int
    """Number of measurements."""
    seconds: float
    """Mean time, seconds."""
    peak_memory_mb: float | None
    """Largest peak memory, MB (10^6 bytes); None for a stage without a record."""


def stage_costs(comparison: Comparison) -> list[StageCost]:
    """Return costs by arm and stage, in the study's order; a shared stage counts in each arm."""
    found: list[StageCost] = []
    for arm in comparison.study.arms:
        for stage in arm.stages:
            costs = [run.costs[stage] for run in comparison.runs if run.arm == arm.name]
            seconds = [cost["seconds"] for cost in costs if cost["seconds"] is not None]
            memory = [cost["peak_memory_mb"] for cost in costs if cost["peak_memory_mb"] is not None]
            if seconds:
                found.append(StageCost(arm.name, stage, len(seconds), fmean(seconds), max(memory, default=None)))
    return found


def costs_markdown(comparison: Comparison) -> str:
    """Return a table with one row per arm and one column per stage: mean seconds and largest resident memory."""
    found = stage_costs(comparison)
    stages = list(dict.fromkeys(cost.stage for cost in found))
    cells = {(cost.arm, cost.stage): cell_text(cost) for cost in found}
    lines = ["| arm | " + " | ".join(stages) + " |", "|---" * (1 + len(stages)) + "|"]
    for arm in dict.fromkeys(cost.arm for cost in found):
        lines.append(f"| {arm} | " + " | ".join(cells.get((arm, stage), "") for stage in stages) + " |")
    return "\n".join(
        ["Seconds per run (mean) and peak memory (largest); a shared stage was computed once.", "", *lines, ""]
    )


def cell_text(cost: StageCost) -> str:
    """Format seconds, and memory if known."""
    memory = "" if cost.peak_memory_mb is None else f", {cost.peak_memory_mb:.0f} MB"
    return f"{cost.seconds:.1f} s{memory}"


def costs_csv(comparison: Comparison) -> str:
    """Return rows per arm and stage."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["study", *(field.name for field in fields(StageCost))])
    writer.writerows([comparison.study.id, *astuple(cost)] for cost in stage_costs(comparison))
    return file.getvalue()
