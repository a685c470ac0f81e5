"""Triton's kernels compile for GPUs, which its interpreter cannot show; the compiler itself needs no GPU."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from viewdistill.fields import hash_grid_triton_kernels as kernels
from viewdistill.fields.hash_grid_triton import INTERPRETED

assert not INTERPRETED
sizes = {}
# features, type of the table, and whether a_c is a derivative
variants = [(2, "*fp32", False), (2, "*fp32", True), (2, "*fp16", True), (8, "*fp32", False)]
for kernel in (kernels.gather, kernels.scatter, kernels.slope):
    for features, table, directional in variants:
        constants = {"F": features, "SMOOTH": True, "DIRECTIONAL": directional, "BLOCK": 128}
        numbers = dict.fromkeys(("n_points", "n_columns", "n_levels"), "i32")
        types = {**dict.fromkeys(kernel.arg_names, "*fp32"), **numbers, "levels": "*i64"}
        if kernel is not kernels.scatter:  # sums are float32
            types["table"] = table
        pointers = [i for i, name in enumerate(kernel.arg_names) if name not in constants and "*" in types[name]]
        source = ASTSource(
            fn=kernel,
            signature={name: "constexpr" if name in constants else types[name] for name in kernel.arg_names},
            constexprs={(kernel.arg_names.index(name),): value for name, value in constants.items()},
            # what a launch finds out: tensors begin at multiples of 16 bytes
            attrs={(i,): [["tt.divisibility", 16]] for i in pointers},
        )
        compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32))
        # several features in one load: v2.b32 or v4.b32, or two halves as one number of 32 bits and so none of 16
        ptx = compiled.asm["ptx"]
        name = f"{kernel.__name__} {features} {table} {directional}"
        loads = ptx.count("ld.global.v"), ptx.count("ld.global.b16")
        sizes[name] = [len(compiled.asm["cubin"]), ptx.count("atom"), *loads]
print(json.dumps(sizes))
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.slow
def test_every_kernel_compiles_for_a_gpu(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**environment, "TRITON_CACHE_DIR": str(tmp_path)},
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert result.returncode == 0, result.stderr
    sizes = json.loads(result.stdout)
    assert len(sizes) == 12
    for name, (n_bytes, n_atomics, n_vectors, n_halves) in sizes.items():
        assert n_bytes > 1000, name
        assert (n_atomics > 0) == name.startswith("scatter"), name
        corners = 0 if "scatter" in name or "fp16" in name else 8
        assert n_vectors == (2 * corners if " 8 " in name else corners), name
        assert n_halves == 0, name
