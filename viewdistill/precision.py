"""Number formats of networks, and the choice of a fast one.

Half precision is faster only with hardware support: a CPU without it (no AVX-512 or AMX bf16, as in laptops and in
servers before 2022) converts to float32 and back, several times slower than float32. Libraries report support for both
kinds of CPU, so matrix products are timed instead.
"""

import functools
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""A number format by name; ``auto`` is bf16 if that is fast, else fp32."""

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The formats themselves."""


def fast_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes bfloat16 faster than float32: reported by CUDA, measured once on a CPU."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and _bfloat16_is_faster_on_cpu()


@functools.cache
def _bfloat16_is_faster_on_cpu() -> bool:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return _seconds_of_a_product(torch.bfloat16) < _seconds_of_a_product(torch.float32)


def _seconds_of_a_product(dtype: torch.dtype, size: int = 256, repeats: int = 5) -> float:
    """Return the least time of several products of two square matrices, after a warm-up."""
    matrix = torch.ones(size, size, dtype=dtype)
    seconds: list[float] = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        _ = matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def plain_attention(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context with unfused attention for bfloat16 on a CPU, whose fused backward pass is slow."""
    if device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of a precision on a device.

    Args:
        precision: Its name.
        device: Device of the computation; decides ``auto``.

    Raises:
        ValueError: The name is unknown.
    """
    if precision == "auto":
        precision = "bf16" if fast_bfloat16(device) else "fp32"
    if precision not in DTYPES:
        raise ValueError(f"precision is {precision!r}; choose auto, {', '.join(DTYPES)}")
    return DTYPES[precision]
