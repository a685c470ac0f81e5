"""Phases of a trace, on timelines small enough to add up by hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from commands.profiling.ceilings import Ceilings
from commands.profiling.trace import (
    OUTSIDE,
    Timeline,
    backward_microseconds,
    counted,
    kernel_microseconds,
    peak_memory,
    phase_table,
)


def phase_range(name: str, start: float, duration: float) -> dict[str, Any]:
    return {"ph": "X", "cat": "user_annotation", "name": f"phase: {name}", "ts": float(start), "dur": float(duration)}


def note(name: str, start: float) -> dict[str, Any]:
    return {"ph": "X", "cat": "user_annotation", "name": name, "ts": float(start), "dur": 0.0}


def operation(name: str, start: float, duration: float, number: int, forward_thread: int = 0) -> dict[str, Any]:
    arguments = {"Sequence number": number, "Fwd thread id": forward_thread}
    return {"ph": "X", "cat": "cpu_op", "name": name, "ts": float(start), "dur": float(duration), "args": arguments}


def memory(start: float, change: int, total: int, device: int = 0) -> dict[str, Any]:
    arguments = {"Device Type": device, "Bytes": change, "Total Allocated": total}
    return {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "ts": float(start), "args": arguments}


# two steps of 100 µs, 20 µs apart; the march lies within the step, and the second step has a backward pass
STEPS = [
    phase_range("training step", 0, 100),
    phase_range("march", 10, 30),
    phase_range("training step", 120, 100),
    phase_range("backward", 150, 40),
]


def test_every_moment_counts_to_the_innermost_phase() -> None:
    timeline = Timeline(STEPS)
    assert timeline.n_steps == 2
    assert timeline.microseconds() == {"training step": 70 + 60, "march": 30, "backward": 40, OUTSIDE: 20}
    assert [timeline.at(float(t)) for t in (-1, 0, 10, 39, 40, 100, 130, 160)] == [
        OUTSIDE,
        "training step",
        "march",
        "march",
        "training step",
        OUTSIDE,
        "training step",
        "backward",
    ]


def test_phases_that_touch_do_not_nest() -> None:
    touching = [phase_range("march", 0, 10), phase_range("cull", 10, 5)]
    assert Timeline(touching).microseconds() == {"march": 10, "cull": 5}


def test_the_backward_pass_is_told_apart_by_what_made_its_nodes() -> None:
    events = [
        *STEPS,
        operation("aten::mul", 5, 1, 7),
        operation("aten::add", 15, 1, 8),
        operation("autograd::engine::evaluate_function: AddBackward0", 150, 9, 8, 1),
        operation("autograd::engine::evaluate_function: MulBackward0", 160, 4, 7, 1),
        operation("aten::neg", 161, 1, 7, 1),  # within the backward pass: makes no node
        operation("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", 165, 2, 99, 1),
    ]
    assert backward_microseconds(events, Timeline(STEPS)) == {"march": 9, "training step": 4, OUTSIDE: 2}


def test_notes_of_operations_count_where_they_lie() -> None:
    events = [
        *STEPS,
        note("count|mm|100|30", 12),
        note("count|add|0|8", 13),
        note("count|mm|7|1", 50),
        note("count-backward|hash grid|40|20", 14),
        {**note("count|mm|1000|1000", 12), "cat": "gpu_user_annotation"},
    ]
    sums = counted(events, Timeline(STEPS))
    assert sums == {"march": (100, 38), "training step": (7, 1), "backward": (40, 20)}


def test_memory_is_that_above_the_start_and_a_gpu_s_where_there_is_one() -> None:
    on_cpu = [memory(11, 50, 1050), memory(20, 30, 1080), memory(45, -50, 1030), memory(160, 5, 1035)]
    assert peak_memory(on_cpu, Timeline(STEPS)) == {"march": 80, "training step": 30, "backward": 35}
    assert peak_memory([*on_cpu, memory(12, 9, 9, device=1)], Timeline(STEPS)) == {"march": 9}
    assert peak_memory([], Timeline(STEPS)) == {}


def test_kernels_count_to_the_phase_that_started_them() -> None:
    launch = {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": 20.0, "dur": 1.0}
    kernel = {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 130.0, "dur": 25.0, "args": {"correlation": 3}}
    events = [*STEPS, {**launch, "args": {"correlation": 3}}, kernel]
    assert kernel_microseconds(events, Timeline(STEPS)) == {"march": 25}


def test_a_table_is_of_one_step_and_begins_with_the_most_expensive_phase(tmp_path: Path) -> None:
    times, counts = tmp_path / "times.json.gz", tmp_path / "counts.json"
    times.write_bytes(gzip.compress(json.dumps({"traceEvents": STEPS}).encode()))
    counts.write_text(json.dumps({"traceEvents": [*STEPS, note("count|mm|100|30", 12)]}))
    table = phase_table(times, counts)
    assert list(table.phases) == ["training step", "backward", "march", OUTSIDE]
    assert table.of("march").milliseconds == pytest.approx(0.015)
    assert (table.of("march").flops, table.of("march").bytes) == (50, 15)
    assert table.milliseconds == pytest.approx(0.11)


def test_the_higher_of_two_ceilings_bounds_a_phase() -> None:
    ceilings = Ceilings({"fp32": 100.0}, bandwidth=10.0)
    assert ceilings.seconds(200.0, 10.0, "fp32") == 2
    assert ceilings.bound(200.0, 10.0, "fp32") == "compute"
    assert ceilings.seconds(200.0, 50.0, "fp32") == 5
    assert ceilings.bound(200.0, 50.0, "fp32") == "memory"
