"""A profile for people: tables, a plot, and Weights & Biases."""

from __future__ import annotations

import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.profiling.stage_profile import Deviation, StageProfile
from commands.profiling.trace import OUTSIDE, PhaseCost, on_gpu
from commands.tracking.artifacts import artifact_name
from commands.tracking.run import first_line, open_run
from datamodules.runs.run_folder import RunFolder, atomic_path, write_json

COLUMNS = ["phase", "ms_a_step", "share", "gflop", "mb", "gflop_a_second", "bound", "of_ceiling", "peak_memory_mb"]
"""Of the rows of `phase_rows`."""

Row = list[Any]


def phase_rows(profile: StageProfile) -> list[Row]:
    """Return one row per phase: its numbers in the order of `COLUMNS`; None for uncounted ones."""
    device = on_gpu(profile.table)
    total = sum(milliseconds(cost, device) for cost in profile.table.phases.values())
    rows: list[Row] = []
    for name, cost in profile.table.phases.items():
        spent = milliseconds(cost, device)
        row: Row = [name, spent, spent / total, *[None] * 5, cost.peak_memory_mb]
        if cost.bytes and spent and name != OUTSIDE:
            least = profile.ceilings.seconds(cost.flops, cost.bytes, profile.precision)
            bound = profile.ceilings.bound(cost.flops, cost.bytes, profile.precision)
            row[3:8] = [cost.flops / 1e9, cost.bytes / 1e6, cost.flops / spent / 1e6, bound, 1000 * least / spent]
        rows.append(row)
    return rows


def milliseconds(cost: PhaseCost, device: bool) -> float:
    """Time of a step, on the GPU's clock if there is one."""
    return cost.device_milliseconds if device else cost.milliseconds


def write_profile(profile: StageProfile, output: Path) -> None:
    """Write ``profile.json`` and ``profile.png``."""
    write_json(output / "profile.json", {**asdict(profile), "columns": COLUMNS, "rows": phase_rows(profile)})
    with atomic_path(output / "profile.png") as partial:
        draw(profile).savefig(partial, dpi=110, format="png")


def print_profile(profile: StageProfile, output: Path) -> None:
    """Print all tables."""
    console = Console()
    # A file or a pipe has no width; the table needs this one.
    console.width = max(console.width, 120)
    console.print(phases_table(profile))
    if backward := {name: cost.backward_milliseconds for name, cost in profile.table.phases.items()}:
        parts = sorted(((ms, name) for name, ms in backward.items() if ms >= 0.05), reverse=True)
        console.print("backward, by what it differentiates: " + ", ".join(f"{name} {ms:.1f} ms" for ms, name in parts))
    flops = ", ".join(f"{name} {rate / 1e9:,.1f} GFLOP/s" for name, rate in profile.ceilings.flops.items())
    console.print(
        f"ceilings of this machine: {flops} (matrix product), {profile.ceilings.bandwidth / 1e9:.1f} GB/s (copy)"
    )
    console.print(f"peak memory: {profile.peak_memory_mb:,.0f} MB; peaks above are of tensors, beyond a step's start")
    console.print(precision_table(profile))
    console.print(f"written: {output}/ trace.json.gz (open it in https://ui.perfetto.dev), profile.png, profile.json")


def phases_table(profile: StageProfile) -> Table:
    """Return the table of a step's phases."""
    overhead = profile.table.milliseconds / profile.step_ms - 1
    title = (
        f"{profile.stage} on {profile.device}, {profile.threads} threads, {profile.precision}: "
        f"{profile.step_ms:.1f} ms per step without the profiler, which adds {overhead:.0%}"
    )
    table = Table(title=Text(title), title_justify="left")
    table.add_column("phase", style="bold")
    for name in ("ms per step", "share", "GFLOP", "MB moved", "GFLOP/s", "bound by", "of ceiling", "peak MB"):
        table.add_column(name, justify="right")
    for row in phase_rows(profile):
        formats = ("{:.2f}", "{:.1%}", "{:.3f}", "{:,.1f}", "{:.1f}", "{}", "{:.0%}", "{:,.1f}")
        cells = ["–" if cell is None else form.format(cell) for form, cell in zip(formats, row[1:], strict=True)]
        table.add_row(row[0], *cells)
    return table


def precision_table(profile: StageProfile) -> Table:
    """Return the table of precisions."""
    table = Table(title=Text("precision, from the same weights and noise"), title_justify="left")
    table.add_column("precision", style="bold")
    for name in ("ms per step", "speed", "loss off by", "gradient off by", "cosine"):
        table.add_column(name, justify="right")
    for d in profile.deviations:
        cells = (f"{d.step_ms:.1f}", f"{d.speed:.2f}x", f"{d.loss:.2%}", f"{d.gradient:.2%}", f"{d.cosine:.5f}")
        table.add_row(d.precision, *cells)
    return table


def draw(profile: StageProfile) -> Figure:
    """Draw the time by phase on the left, the roofline with the phases on the right."""
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = phase_rows(profile)
    for index, row in enumerate(reversed(rows)):
        left.barh(index, row[1], color=f"C{(len(rows) - 1 - index) % 10}")
        left.text(row[1], index, f" {row[1]:.1f}", va="center", fontsize=8)
    left.set_yticks(range(len(rows)), [row[0] for row in reversed(rows)])
    left.set_xlabel("ms per step")
    left.set_title(f"{profile.stage}: {profile.step_ms:.1f} ms per step, {profile.precision}", fontsize=10)

    peak, bandwidth = profile.ceilings.flops[profile.precision], profile.ceilings.bandwidth
    intensities = [2.0**k for k in range(-8, 11)]
    right.loglog(intensities, [min(peak, x * bandwidth) / 1e9 for x in intensities], color="black", linewidth=1)
    for index, row in enumerate(rows):
        if row[3] and row[5]:
            intensity = row[3] * 1000 / row[4]
            right.plot(intensity, row[5], "o", color=f"C{index % 10}")
            right.annotate(row[0], (intensity, row[5]), xytext=(4, 4), textcoords="offset points", fontsize=8)
    right.set_xlabel("FLOP a byte moved")
    right.set_ylabel("GFLOP/s")
    right.set_title(f"roofline: {peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s", fontsize=10)
    return figure


def track_profile(profile: StageProfile, folder: RunFolder, output: Path) -> None:
    """Log to the fit's W&B run, if any, and finish it.

    A failure of W&B cannot affect the profile, which is written before.
    """
    run = open_run()
    if run is None:
        return
    try:
        if not run.disabled:
            log_profile(run, profile, artifact_name(folder, output.name), output)
        run.finish()
    except Exception as error:  # any error of W&B
        print(f"{output.name}: W&B has only a part of it ({first_line(error)})", file=sys.stderr)


def log_profile(run: Any, profile: StageProfile, name: str, output: Path) -> None:
    """Tables, the plot, and the trace as an artifact."""
    # Imported here because W&B takes a second to import, and is not wanted where it is disabled.
    import wandb

    deviations = [list(asdict(deviation).values()) for deviation in profile.deviations]
    precision_columns = [each.name for each in fields(Deviation)]
    run.log(
        {
            "profile/phases": wandb.Table(columns=[*COLUMNS], data=phase_rows(profile)),
            "profile/precisions": wandb.Table(columns=[*precision_columns], data=deviations),
            "profile/plot": wandb.Image(str(output / "profile.png")),
        }
    )
    run.summary.update({"profile/step_ms": profile.step_ms, "profile/peak_memory_mb": profile.peak_memory_mb})
    trace = wandb.Artifact(name, type="profile")
    for file in ("trace.json.gz", "profile.json"):
        trace.add_file(str(output / file), skip_cache=True)
    run.log_artifact(trace)
