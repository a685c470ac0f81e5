"""Random backgrounds: range, repeatability, variety; compositing by hand."""

import numpy as np

from viewdistill.objects.backgrounds import composite, random_background


def test_backgrounds_repeat_with_the_seed_and_stay_in_range() -> None:
    for seed in range(40):
        background = random_background(np.random.default_rng(seed), 24)
        assert background.shape == (24, 24, 3)
        assert background.dtype == np.float32
        assert background.min() >= 0
        assert background.max() <= 1
        np.testing.assert_array_equal(background, random_background(np.random.default_rng(seed), 24))


def test_backgrounds_are_of_several_kinds() -> None:
    variation = [random_background(np.random.default_rng(seed), 24).std((0, 1)).max() for seed in range(60)]
    assert 0.2 < np.mean(np.array(variation) < 1e-4) < 0.5  # plain colours: two draws in six


def test_composite_by_hand() -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[..., :3] = (255, 0, 51)
    rgba[..., 3] = ((255, 0), (51, 51))
    background = np.full((2, 2, 3), 0.5, np.float32)
    expected = [[1, 0, 0.2], [0.5, 0.5, 0.5], [0.2 + 0.4, 0.4, 0.04 + 0.4], [0.2 + 0.4, 0.4, 0.04 + 0.4]]
    np.testing.assert_allclose(composite(rgba, background).reshape(4, 3), expected, atol=1e-6)
