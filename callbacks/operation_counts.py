"""FLOPs and memory traffic of a step, by operation, recorded in torch's own trace."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from viewdistill.fields.hash_grid import HashGrid
from viewdistill.fields.hash_grid_layout import HashGridConfig

COUNT = "count"
"""First word of a count's name in the trace: ``count|operation|FLOPs|bytes``."""

BACKWARD_COUNT = "count-backward"
"""The same for work of the backward pass, noted in the forward pass."""

UNTOUCHED = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "alias"})
"""Operations without memory traffic."""


class OperationCounts(TorchDispatchMode):
    """Context that records the FLOPs and bytes of every torch operation in the profiler's trace.

    FLOPs cover the operations in torch's own formulas: matrix products, convolutions and attention, forwards and
    backwards (a multiplication and an addition are two). Bytes are the sizes of all inputs and outputs: the traffic
    without caching between operations.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and record it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func._overloadpacket.__name__
        if func.is_view or name in UNTOUCHED:
            return result
        formula = flop_registry.get(func._overloadpacket)
        flops = formula(*args, **kwargs, out_val=result) if formula else 0
        note(COUNT, name, flops, sum(map(touched_bytes, tensors((args, kwargs, result)))))
        return result


class HashGridCounts:
    """Records the work of the hash grids' own kernels, which torch does not see; call `remove` at the end.

    Args:
        module: Module with the grids.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        grids = [part for part in module.modules() if isinstance(part, HashGrid) and part.backend != "torch"]
        self.handles = [grid.register_forward_hook(note_hash_grid) for grid in grids]

    def remove(self) -> None:
        """Stop recording."""
        for handle in self.handles:
            handle.remove()


def note_hash_grid(grid: HashGrid, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Record an encoding and, if it has a gradient, the sum over corners for the table's gradient.

    Known features are not computed again.
    """
    work = hash_grid_work(grid.config, grid.active_levels, len(output))
    if not any(isinstance(known, Tensor) for known in inputs[1:]):
        note(COUNT, "hash grid", *work)
    if output.requires_grad:
        note(BACKWARD_COUNT, "hash grid", *work)


def hash_grid_work(config: HashGridConfig, levels: int, n_points: int) -> tuple[int, int]:
    """Return FLOPs and bytes of a pass over all corners of all points, forwards or (the same) to the table's gradient.

    A corner takes two products for its weight, and a product and a sum for each of its features; its features are four
    bytes each, and so are the point's three coordinates and the input or output features.
    """
    corners = n_points * levels * 8
    flops = corners * (2 + 2 * config.n_features_per_level)
    moved = 4 * (corners * config.n_features_per_level + n_points * (3 + levels * config.n_features_per_level))
    return flops, moved


def note(kind: str, name: str, flops: int, n_bytes: int) -> None:
    """Record a count on the timeline."""
    with record_function(f"{kind}|{name}|{int(flops)}|{n_bytes}"):
        pass


def tensors(nested: Any) -> Iterator[Tensor]:
    """Yield all tensors in nested arguments."""
    return (leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor))


def touched_bytes(tensor: Tensor) -> int:
    """Return the size of a tensor, bytes; for an expanded one, that of its storage."""
    repeated = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        repeated *= size if stride == 0 else 1
    return tensor.numel() // max(1, repeated) * tensor.element_size()
