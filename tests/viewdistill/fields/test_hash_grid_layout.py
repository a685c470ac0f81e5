import pytest

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
