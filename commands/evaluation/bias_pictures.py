"""Pictures and tables of `viewdistill bias`."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import UInt8
from rich.table import Table
from rich.text import Text
from torch import Tensor

from commands.evaluation.bias_figures import Measured
from viewdistill.mesh.contact_sheet import grid

COLUMNS = 12
"""Images shown."""

SMALLEST_CELL = 64
"""Smallest side of pictures, pixels; smaller ones are enlarged."""

HEADINGS = ("norm", "floor", "common", "one step, dB", "DDIM, dB")
"""Columns of the tables, per prior."""

FIGURES = ("norm", "noise_floor", "mean_norm", "one_step_psnr", "ddim_psnr")
"""Their names in ``bias.json``."""


def maps_sheet(measured: Measured, images: Tensor) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the clean images and, below, the magnitude of the bias at each timestep, on a common colour scale.

    Black is 0, the brightest colour the 99th percentile of all maps together.
    """
    sizes = torch.stack([bias.map.cpu().square().mean(1).sqrt() for bias in measured.biases])
    top = max(float(sizes.flatten().quantile(0.99)) if sizes.numel() < 1 << 24 else float(sizes.max()), 1e-8)
    colours = mpl.colormaps["inferno"]((sizes / top).clamp(0, 1).numpy())[..., :3]
    rows = [cells(images), *(cells(torch.from_numpy(row).movedim(-1, 1).float(), images) for row in colours)]
    return grid(rows, row_labels=["clean", *(f"t = {bias.timestep}" for bias in measured.biases)])


def recovered_sheet(measured: Measured, images: Tensor) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the clean images and, below, the branch's recovered images from each timestep."""
    rows, labels = [cells(images)], ["clean"]
    for bias, first, last in zip(measured.biases, measured.one_step, measured.ddim, strict=True):
        rows += [cells(first), cells(last)]
        labels += [f"t = {bias.timestep}, one step", f"t = {bias.timestep}, DDIM"]
    return grid(rows, row_labels=labels)


def cells(images: Tensor, like: Tensor | None = None) -> list[np.ndarray | None]:
    """Return pictures for a sheet: of the first images, in the size of ``like``, enlarged if small."""
    size = max(SMALLEST_CELL, (images if like is None else like).shape[-1])
    shown = torch.nn.functional.interpolate(images[:COLUMNS], (size, size), mode="nearest")
    return [picture.permute(1, 2, 0).numpy() for picture in shown]


def table_rows(priors: list[dict[str, Any]]) -> list[list[str]]:
    """Return the cells of both tables: one row per prior and timestep."""
    return [
        [prior["prior"], str(row["timestep"]), *(f"{row[name]:.3f}" for name in FIGURES[:3])]
        + [f"{row[name]:.2f}" for name in FIGURES[3:]]
        for prior in priors
        for row in prior["timesteps"]
    ]


def markdown(priors: list[dict[str, Any]]) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(("prior", "t", *HEADINGS)) + " |", "|---" * (2 + len(HEADINGS)) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in table_rows(priors))]) + "\n"


def rich_table(priors: list[dict[str, Any]]) -> Table:
    """Return the table for the terminal, one section per prior."""
    found = Table()
    for index, heading in enumerate(("prior", "t", *HEADINGS)):
        found.add_column(heading, justify="left" if index == 0 else "right")
    last = None
    for row in table_rows(priors):
        if last not in (None, row[0]):
            found.add_section()
        last = row[0]
        found.add_row(*map(Text, row))
    return found
