"""The number format that a network computes in, and which one is worth while where.

Half of the bits are faster only where the processor multiplies them: a CPU that does not (no AVX-512 or AMX bf16, as in
laptops and in servers before 2022) computes bfloat16 one number at a time, tens of times slower than float32.
"""

from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""A number format by name; ``auto`` is bf16 where that is fast, else fp32."""

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The formats themselves."""


def fast_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16: asked of CUDA, and on a CPU of oneDNN, which would use them."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """What to compute in.

    Args:
        precision: By name.
        device: Where it is computed; decides ``auto``.

    Raises:
        ValueError: The name is unknown.
    """
    if precision == "auto":
        precision = "bf16" if fast_bfloat16(device) else "fp32"
    if precision not in DTYPES:
        raise ValueError(f"precision is {precision!r}; choose auto, {', '.join(DTYPES)}")
    return DTYPES[precision]
