import ctypes
import ctypes.util
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewdistill.fields.hash_grid_layout import HashGridConfig

OFFICIAL = HashGridConfig(16, 2, 19, 16, 1.447269237440378)


def test_official_grid_has_the_published_levels():
    levels = OFFICIAL.levels()
    assert [level.resolution for level in levels[:5]] == [16, 24, 34, 49, 71]
    assert [level.entries for level in levels[:5]] == [4096, 13824, 39304, 117656, 357912]
    assert [level.hashed for level in levels] == [False] * 5 + [True] * 11
    assert all(level.entries == 2**19 for level in levels[5:])
    assert levels[-1].resolution == 4096


def test_official_grid_has_the_published_size_and_offsets():
    assert OFFICIAL.n_entries == 6_299_960
    assert OFFICIAL.n_params == 12_599_920
    assert [level.offset for level in OFFICIAL.levels()[:6]] == [0, 4096, 17920, 57224, 174880, 532792]
    assert OFFICIAL.n_output_dims == 32


def test_instant_nsr_grid_has_the_published_size():
    grid = HashGridConfig(16, 2, 19, 32, 1.3195079)
    levels = grid.levels()
    assert [level.resolution for level in levels[:4]] == [32, 43, 56, 74]
    assert [level.entries for level in levels[:4]] == [32768, 79512, 175616, 405224]
    assert grid.n_params == 13_969_152


def test_entries_are_rounded_up_to_multiples_of_eight():
    (level,) = HashGridConfig(1, 2, 19, 5, 2.0).levels()
    assert level.resolution**3 == 125
    assert level.entries == 128
    assert not level.hashed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_features_per_level", 3),
        ("log2_hashmap_size", 2),
        ("n_levels", 0),
        ("base_resolution", 1),
        ("per_level_scale", 0.5),
    ],
)
def test_impossible_sizes_are_named(field: str, value: float):
    sizes = {"n_levels": 4, "n_features_per_level": 2, "log2_hashmap_size": 12, "base_resolution": 4}
    with pytest.raises(ValueError, match=field):
        HashGridConfig(**{**sizes, field: value})  # pyright: ignore[reportArgumentType]


def test_a_growth_between_two_roundings_has_tiny_cuda_nns_size():
    # single-precision exp2 and log2 of numpy give 4,727,792 where they use AVX-512
    assert HashGridConfig(8, 2, 19, 4, 2.5).n_params == 4_731_680


@pytest.mark.parametrize(
    ("config", "n_params"),
    [
        (HashGridConfig(8, 2, 16, 16, 1.3459), 730_560),  # configs/field.yaml and configs/surface.yaml
        (HashGridConfig(16, 2, 19, 32, 1.3195079107728942), 13_969_152),  # presets/zero123-xl/surface.yaml
        (HashGridConfig(2, 2, 10, 8, 2.0), 3_072),  # the debug preset's kind
    ],
)
def test_shipped_grids_keep_the_sizes_that_checkpoints_have(config: HashGridConfig, n_params: int):
    assert config.n_params == n_params


@pytest.mark.skipif(sys.platform != "linux", reason="against the C library that tiny-cuda-nn's constructor calls")
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(growth=st.sampled_from([1.25, 1.5, 2.0, 2.5, 3.0, 1.3459, 1.447269237440378]), base=st.integers(2, 64))
def test_scales_are_those_of_the_c_library(growth: float, base: int):
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    for function in (library.exp2f, library.log2f):
        function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    for index, level in enumerate(HashGridConfig(12, 2, 19, base, growth).levels()):
        power = np.float32(index) * np.float32(library.log2f(growth))
        scale = np.float32(library.exp2f(float(power))) * np.float32(base) - np.float32(1)
        assert level.scale == scale
        assert level.resolution == math.ceil(scale) + 1
