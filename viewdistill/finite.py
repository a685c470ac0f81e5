"""Check for finite values in nested tensors, with one synchronisation of the device."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def non_finite(nested: object) -> str | None:
    """Return the name of the first tensor that holds NaN or an infinity, or None where all are finite.

    Args:
        nested: Tensors in mappings and sequences; anything but floating-point tensors is skipped.

    Example:
        >>> non_finite({"a": torch.ones(2), "b": [torch.tensor(float("nan"))]})
        'b.0'
    """
    named = dict(_floating(nested, ()))
    # the largest magnitude is not finite where an entry is not, and costs one pass without a temporary
    sizes = [tensor.detach().abs().amax().float() for tensor in named.values()]
    if not sizes or bool(torch.stack([size.to(sizes[0].device) for size in sizes]).isfinite().all()):
        return None
    return next(name for name, size in zip(named, sizes, strict=True) if not size.isfinite())


def _floating(nested: object, path: tuple[str, ...]) -> list[tuple[str, Tensor]]:
    if isinstance(nested, Tensor):
        return [(".".join(path), nested)] if nested.is_floating_point() and nested.numel() else []
    if isinstance(nested, Mapping):
        items = [(str(key), value) for key, value in nested.items()]
    elif isinstance(nested, Sequence) and not isinstance(nested, str | bytes):
        items = [(str(index), value) for index, value in enumerate(nested)]
    else:
        items = []
    return [found for key, value in items for found in _floating(value, (*path, key))]
