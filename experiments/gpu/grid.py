"""Times of the hash grid's back ends on a GPU, as a part of `experiments.gpu.check`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from experiments.gpu.part_figures import PartFigures
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig
from viewdistill.fields.hash_grid_backends import obstacle


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
