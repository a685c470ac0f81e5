"""Phases in a trace of torch's profiler: their time, FLOPs, bytes and memory.

The trace is the Chrome JSON that the profiler writes: complete events (``ph: X``) with a start ``ts`` and a duration
``dur`` in microseconds. At any moment the innermost open phase counts, so that phases add up to the whole.
"""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewdistill.phases import PREFIX

OUTSIDE = "between steps"
"""Time outside all phases: the loop, progress and loggers."""

STEP = "training step"
"""The phase that opens with every step."""

ENGINE = "autograd::engine::evaluate_function"
"""Prefix of the backward pass's events, one per node of the graph."""

Event = dict[str, Any]


class Timeline:
    """The innermost phase at any time.

    Args:
        events: Of one trace.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        ranges = [event for event in events if is_phase(event)]
        # at one moment, ranges close before others open, and a longer one opens before those in it
        bounds = [(event["ts"] + event["dur"], 0, 0.0, "") for event in ranges]
        bounds += [(event["ts"], 1, -event["dur"], event["name"].removeprefix(PREFIX)) for event in ranges]
        self.moments: list[float] = []
        self.phases: list[str] = []
        stack: list[str] = []
        for moment, opens, _, name in sorted(bounds):
            if opens:
                stack.append(name)
            else:
                stack.pop()
            self.moments.append(moment)
            self.phases.append(stack[-1] if stack else OUTSIDE)
        self.n_steps = sum(event["name"] == PREFIX + STEP for event in ranges)

    def at(self, moment: float) -> str:
        """Return the innermost phase at a time, microseconds."""
        index = bisect_right(self.moments, moment) - 1
        return self.phases[index] if index >= 0 else OUTSIDE

    def microseconds(self) -> dict[str, float]:
        """Return the time of every phase, without nested phases."""
        spent: defaultdict[str, float] = defaultdict(float)
        for start, end, name in zip(self.moments, self.moments[1:], self.phases, strict=False):
            if end > start:
                spent[name] += end - start
        return spent


@dataclass
class PhaseCost:
    """Cost of a phase per step."""

    milliseconds: float = 0.0
    """Milliseconds on the CPU's clock."""
    device_milliseconds: float = 0.0
    """Milliseconds of the GPU kernels launched in the phase."""
    flops: float = 0.0
    """FLOPs of the countable operations."""
    bytes: float = 0.0
    """Sizes of the operations' inputs and outputs."""
    peak_memory_mb: float = 0.0
    """Largest memory of tensors above that at the start of the recording, MB (10^6 bytes)."""
    backward_milliseconds: float = 0.0
    """Share of ``backward``'s time spent on this phase's operations, milliseconds."""


@dataclass
class PhaseTable:
    """Costs of the phases of a step, by name, the most expensive first."""

    phases: dict[str, PhaseCost] = field(default_factory=dict[str, PhaseCost])
    """Costs of all observed phases."""

    def of(self, name: str) -> PhaseCost:
        """Return the cost of one phase; zero if it was not observed."""
        return self.phases.setdefault(name, PhaseCost())

    @property
    def milliseconds(self) -> float:
        """Total milliseconds of a step, over all phases."""
        return sum(cost.milliseconds for cost in self.phases.values())


def phase_table(times: Path, counts: Path) -> PhaseTable:
    """Costs of the phases from the two traces of `callbacks.phase_profile.PhaseProfile`.

    Args:
        times: Trace of undisturbed steps.
        counts: Trace of steps with counted operations and memory.
    """
    table = PhaseTable()
    events = read_trace(times)
    timeline = Timeline(events)
    n_steps = max(1, timeline.n_steps)
    for name, spent in timeline.microseconds().items():
        table.of(name).milliseconds = spent / n_steps / 1000
    for name, spent in kernel_microseconds(events, timeline).items():
        table.of(name).device_milliseconds = spent / n_steps / 1000
    for name, spent in backward_microseconds(events, timeline).items():
        table.of(name).backward_milliseconds = spent / n_steps / 1000

    events = read_trace(counts)
    timeline = Timeline(events)
    n_steps = max(1, timeline.n_steps)
    for name, (flops, moved) in counted(events, timeline).items():
        table.of(name).flops, table.of(name).bytes = flops / n_steps, moved / n_steps
    for name, peak in peak_memory(events, timeline).items():
        table.of(name).peak_memory_mb = peak / 1e6
    key = (lambda cost: cost.device_milliseconds) if on_gpu(table) else (lambda cost: cost.milliseconds)
    table.phases = dict(sorted(table.phases.items(), key=lambda entry: -key(entry[1])))
    return table


def on_gpu(table: PhaseTable) -> bool:
    """Return whether the trace has GPU kernels."""
    return any(cost.device_milliseconds for cost in table.phases.values())


def read_trace(path: Path) -> list[Event]:
    """All events of a trace, compressed or not."""
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)["traceEvents"]


def is_phase(event: Event) -> bool:
    """Return whether an event is a phase's range opened by the program, not the GPU's copy of it."""
    return event.get("ph") == "X" and event["name"].startswith(PREFIX) and event.get("cat") == "user_annotation"


def kernel_microseconds(events: Iterable[Event], timeline: Timeline) -> dict[str, float]:
    """Time of a GPU's kernels and copies, by the phase in which they were started."""
    events = [event for event in events if event.get("ph") == "X"]
    runtime = ("cuda_runtime", "cuda_driver")
    started = {event["args"]["correlation"]: event["ts"] for event in events if event.get("cat") in runtime}
    spent: defaultdict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset"):
            launch = started.get(event["args"].get("correlation"))
            spent[timeline.at(event["ts"] if launch is None else launch)] += event["dur"]
    return spent


def backward_microseconds(events: Iterable[Event], timeline: Timeline) -> dict[str, float]:
    """Time of the backward pass, by the phase of the forward pass whose operations it differentiates.

    An operation that makes a node of the graph carries the node's sequence number; so does the node's event later.
    """
    operations = sorted((event for event in events if event.get("cat") == "cpu_op"), key=lambda event: event["ts"])
    made_in: dict[int, str] = {}
    spent: defaultdict[str, float] = defaultdict(float)
    for event in operations:
        number = event["args"].get("Sequence number", -1)
        if event["name"].startswith(ENGINE):
            spent[made_in.get(number, OUTSIDE)] += event["dur"]
        elif number >= 0 and event["args"].get("Fwd thread id", 0) == 0:
            made_in[number] = timeline.at(event["ts"])
    return spent


def counted(events: Iterable[Event], timeline: Timeline) -> dict[str, tuple[float, float]]:
    """FLOPs and bytes by phase, from the notes of `callbacks.operation_counts`."""
    sums: dict[str, tuple[float, float]] = {}
    for event in events:
        kind, *rest = str(event.get("name", "")).split("|")
        # A GPU's timeline repeats the program's ranges.
        if kind not in ("count", "count-backward") or event.get("cat") != "user_annotation":
            continue
        name = "backward" if kind == "count-backward" else timeline.at(event["ts"])
        flops, moved = sums.get(name, (0.0, 0.0))
        sums[name] = (flops + float(rest[1]), moved + float(rest[2]))
    return sums


def peak_memory(events: Iterable[Event], timeline: Timeline) -> dict[str, float]:
    """Largest total of allocated bytes in every phase, above that at the start; a GPU's where there is one."""
    changes = [event for event in events if event.get("name") == "[memory]"]
    devices = {event["args"]["Device Type"] for event in changes}
    device = max(devices, default=0)  # 0 is the CPU, 1 CUDA
    changes = sorted((e for e in changes if e["args"]["Device Type"] == device), key=lambda event: event["ts"])
    if not changes:
        return {}
    first = changes[0]["args"]
    start = first["Total Allocated"] - first["Bytes"]
    peaks: dict[str, float] = {}
    for event in changes:
        name = timeline.at(event["ts"])
        peaks[name] = max(peaks.get(name, 0.0), float(event["args"]["Total Allocated"] - start))
    return peaks
