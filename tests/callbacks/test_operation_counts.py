"""FLOPs and bytes of operations, against what they are by hand."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from callbacks.operation_counts import HashGridCounts, OperationCounts, hash_grid_work, touched_bytes
from viewdistill.fields.hash_grid import HashGrid, HashGridConfig


def notes(work: Callable[[], object], path: Path) -> Counter[tuple[str, str, int, int]]:
    """Kind, operation, FLOPs and bytes of all notes that some work leaves in its trace."""
    with profile(activities=[ProfilerActivity.CPU]) as recording:
        work()
    recording.export_chrome_trace(str(path))
    names = [event.get("name", "") for event in json.loads(path.read_text())["traceEvents"]]
    found = [name.split("|") for name in names if name.startswith("count")]
    return Counter((kind, operation, int(flops), int(moved)) for kind, operation, flops, moved in found)


def counted(work: Callable[[], object]) -> Callable[[], object]:
    def with_counts() -> None:
        with OperationCounts():
            work()

    return with_counts


def test_a_product_and_a_sum(tmp_path: Path) -> None:
    a, b = torch.rand(3, 5), torch.rand(5, 7)
    found = notes(counted(lambda: (a @ b).t() + 1), tmp_path / "trace.json")
    product = ("count", "mm", 2 * 3 * 5 * 7, 4 * (15 + 35 + 21))
    assert found == {product: 1, ("count", "add", 0, 4 * (21 + 21)): 1}


def test_the_backward_pass_is_counted(tmp_path: Path) -> None:
    a, b = torch.rand(3, 5, requires_grad=True), torch.rand(5, 7, requires_grad=True)
    found = notes(counted(lambda: (a @ b).sum().backward()), tmp_path / "trace.json")
    assert sum(n for (_, name, flops, _), n in found.items() if name == "mm" and flops == 210) == 3


def test_expanded_and_empty_tensors() -> None:
    assert touched_bytes(torch.zeros(3, 1).expand(3, 1000)) == 12
    assert touched_bytes(torch.zeros(0, 4)) == 0
    assert touched_bytes(torch.zeros(2, 4, dtype=torch.bfloat16)) == 16


@pytest.mark.parametrize("with_gradient", [True, False])
def test_hash_grids_are_counted_while_they_are_watched(tmp_path: Path, with_gradient: bool) -> None:
    grid = HashGrid(HashGridConfig(n_levels=2, log2_hashmap_size=8), "numba")
    watched = HashGridCounts(grid)
    flops, moved = hash_grid_work(grid.config, 2, 10)
    assert (flops, moved) == (10 * 2 * 8 * 6, 4 * (10 * 2 * 8 * 2 + 10 * (3 + 4)))
    with torch.set_grad_enabled(with_gradient):
        found = notes(lambda: grid(torch.rand(10, 3)), tmp_path / "trace.json")
    forward = ("count", "hash grid", flops, moved)
    assert found == {forward: 1, **({("count-backward", *forward[1:]): 1} if with_gradient else {})}
    watched.remove()
    assert not notes(lambda: grid(torch.rand(10, 3)), tmp_path / "trace.json")
