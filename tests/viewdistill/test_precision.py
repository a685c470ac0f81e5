import pytest
import torch

from viewdistill import precision
from viewdistill.precision import dtype_of, fast_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", precision.DTYPES)
def test_a_named_format_is_taken_as_it_is(name):
    assert dtype_of(name, CPU) is precision.DTYPES[name]


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bf16_only_where_that_is_fast(monkeypatch, fast, dtype):
    monkeypatch.setattr(precision, "fast_bfloat16", lambda device: fast)
    assert dtype_of("auto", CPU) is dtype


def test_a_cpu_without_avx512_multiplies_no_bf16():
    if torch.backends.cpu.get_cpu_capability() == "AVX2":
        assert not fast_bfloat16(CPU)
    assert not fast_bfloat16(torch.device("meta"))
