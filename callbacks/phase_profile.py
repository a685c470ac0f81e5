"""Profile of a fit's first steps by torch's profiler."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

from callbacks.operation_counts import HashGridCounts, OperationCounts
from viewdistill.phases import phase


class PhaseProfile(Callback):
    """Measures steps in three ways, one after the other, because they disturb each other.

    First by the clock alone, for the seconds per step; then under the profiler, for the shares of the phases and a
    readable trace; last with every operation's size recorded, for FLOPs, bytes and memory by phase.

    Args:
        times: Trace file of the second kind of steps; compressed if its name ends in ``.gz``.
        counts: Trace file of the third kind.
        warmup: Steps before all of these.
        steps: Number of steps by the clock, and under the profiler.
        counted: Steps with counted operations.
    """

    def __init__(self, times: Path, counts: Path, warmup: int = 3, steps: int = 10, counted: int = 1) -> None:
        self.times, self.counts = times, counts
        self.clock_from, self.times_from = warmup, warmup + steps
        self.counts_from, self.end = warmup + 2 * steps, warmup + 2 * steps + counted
        self.step_seconds: list[float] = []
        self.started = 0.0
        self.recording: profile | None = None
        self.recorded_to = times
        self.counting = ExitStack()
        self.ranges: dict[str, record_function] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Switch to the next kind of measurement when due; open the step's range."""
        if self.clock_from < batch_idx <= self.times_from:
            wait(pl_module.device)
            self.step_seconds.append(time.perf_counter() - self.started)
        if batch_idx in (self.counts_from, self.end):
            self.stop(pl_module.device)
        if batch_idx == self.times_from:
            self.record(self.times, pl_module.device)
        elif batch_idx == self.counts_from:
            self.record(self.counts, pl_module.device, profile_memory=True)
            grids = HashGridCounts(pl_module)
            self.counting.callback(grids.remove)
            self.counting.enter_context(OperationCounts())
        elif batch_idx == self.end:
            # the first batch after the last measured step, so that the loop around it is measured too
            trainer.should_stop = True
        self.open("training step")
        self.started = time.perf_counter()

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Open the backward pass's range."""
        self.open("backward")

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the backward pass's range."""
        self.close("backward")

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Open the optimiser's range, which includes gradient checks and schedules."""
        self.open("optimiser")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Close all open ranges."""
        for name in ("optimiser", "training step"):
            self.close(name)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop all recording."""
        if self.recording is not None:
            self.stop(pl_module.device)

    def open(self, name: Any) -> None:
        """Begin a phase that ends in another hook."""
        self.ranges[name] = phase(name)
        self.ranges[name].__enter__()

    def close(self, name: str) -> None:
        """End a phase, if it was begun."""
        if name in self.ranges:
            self.ranges.pop(name).__exit__(None, None, None)

    def record(self, trace: Path, device: torch.device, profile_memory: bool = False) -> None:
        """Start recording."""
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self.recording, self.recorded_to = profile(activities=activities, profile_memory=profile_memory), trace
        self.recording.start()

    def stop(self, device: torch.device) -> None:
        """Stop recording and write the trace."""
        assert self.recording is not None, "stopped before anything was recorded"
        wait(device)
        self.counting.close()
        self.recording.stop()
        self.recording.export_chrome_trace(str(self.recorded_to))
        self.recording = None


def wait(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
