"""Ceilings of this machine: products of large matrices and a large copy; and the phases' shares of them.

A phase with F FLOPs and B bytes takes at least max(F / peak, B / bandwidth): the roofline (Williams et al. 2009).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from viewdistill.precision import DTYPES, Precision, fast_bfloat16

COPIED = {"cpu": 128_000_000, "cuda": 1_000_000_000}
"""Bytes of the copy: more than any cache holds."""

SIDE = {"cpu": 1024, "cuda": 8192}
"""Side of the matrices."""


@dataclass(frozen=True)
class Ceilings:
    """Measured peak rates."""

    flops: dict[str, float]
    """FLOPs per second of matrix products, by precision."""
    bandwidth: float
    """Bytes per second, read and written together."""

    def seconds(self, flops: float, moved: float, precision: str) -> float:
        """Return the least time of a piece of work.

        Args:
            flops: Of matrix products and the like.
            moved: Bytes.
            precision: Precision of the computation.
        """
        return max(flops / self.flops[precision], moved / self.bandwidth)

    def bound(self, flops: float, moved: float, precision: str) -> str:
        """Return the limiting ceiling."""
        return "compute" if flops / self.flops[precision] > moved / self.bandwidth else "memory"


def measure(device: torch.device, precisions: tuple[Precision, ...]) -> Ceilings:
    """Measure, in seconds.

    Args:
        device: Of the stage.
        precisions: Which; a slow one is measured on small matrices.
    """
    source = torch.rand(COPIED[device.type] // 4, device=device)
    target = torch.empty_like(source)
    copy = best_seconds(lambda: target.copy_(source), device)
    flops = {name: matmul_flops(device, name) for name in precisions}
    return Ceilings(flops, 2 * COPIED[device.type] / copy)


def matmul_flops(device: torch.device, precision: Precision) -> float:
    """Measure FLOPs per second of a matrix product in one precision."""
    slow = device.type == "cpu" and precision != "fp32" and not (precision == "bf16" and fast_bfloat16(device))
    side = 256 if slow else SIDE[device.type]
    a = torch.rand(side, side, device=device).to(DTYPES[precision])
    return 2 * side**3 / best_seconds(lambda: a @ a, device)


def best_seconds(work: Callable[[], object], device: torch.device, repeats: int = 8) -> float:
    """Return the shortest time of several runs, the one least disturbed by other work."""
    seconds: list[float] = []
    for _ in range(repeats + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
