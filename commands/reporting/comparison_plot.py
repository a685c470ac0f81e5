"""Curves of several runs in one picture."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from datamodules.runs.curves import Curve, load_curves
from datamodules.runs.run_folder import RunFolder, atomic_path
from datamodules.runs.stages import STAGES

COLUMNS = 4
"""Plots per row."""

Panel = tuple[str, str]
"""A stage and the name of a metric."""


def plot_curves(folders: Sequence[RunFolder], path: Path) -> bool:
    """Draw the losses of all fitted stages, one plot per metric and one line per run.

    Args:
        folders: The runs.
        path: PNG to write, atomically.

    Returns:
        Whether there was anything to draw; nothing is written otherwise.

    Raises:
        ViewDistillError: A table of curves is damaged, or the folder cannot be made.
    """
    runs = [losses(folder) for folder in folders]
    panels = list(dict.fromkeys(panel for run in runs for panel in run))
    if not panels:
        return False
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows + 0.5), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, panel in zip(axes, panels, strict=False):
        axis.set_title(f"{panel[0]}: {panel[1]}", fontsize=9)
        axis.tick_params(labelsize=8)
        for index, run in enumerate(runs):
            if panel in run:
                axis.plot(run[panel].steps, run[panel].values, color=f"C{index}", linewidth=1)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    handles = [figure.axes[0].plot([], [], color=f"C{index}")[0] for index in range(len(runs))]
    # A dollar sign would start a formula.
    labels = [str(folder.root).replace("$", r"\$") for folder in folders]
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), fontsize=9, frameon=False)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=110, format="png")
    return True


def losses(folder: RunFolder) -> dict[Panel, Curve]:
    """Return the loss of every fitted stage and its terms that were ever non-zero."""
    return {
        (stage, name): curve
        for stage in STAGES
        for name, curve in load_curves(folder.curves(stage)).items()
        if (name == "loss" or name.startswith("loss/")) and any(curve.values)
    }
