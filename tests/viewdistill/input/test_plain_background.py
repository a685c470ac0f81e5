"""Plain grounds are cut away without a model: their colour within the object stays, and the rim is soft."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewdistill.input.closed_form import closed_form_alpha, soften_rim
from viewdistill.input.cut_out import load_cut_out
from viewdistill.input.plain_background import plain_background


def disc(size: int = 160) -> np.ndarray:
    """Coverage of a disc, exact at the rim."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.clip(0.3 * size + 0.5 - np.hypot(x, y), 0, 1)


def scene(ground: np.ndarray, color: tuple[float, float, float] = (0.7, 0.2, 0.1)) -> np.ndarray:
    """A disc of one colour with a white square within over a ground."""
    alpha = disc(len(ground))[..., None]
    rgb = alpha * np.array(color) + (1 - alpha) * ground
    middle = len(ground) // 2
    rgb[middle - 15 : middle + 15, middle - 15 : middle + 15] = 1.0
    return rgb


def gradient(size: int = 160) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.stack([0.8 + 0.1 * x, 0.85 - 0.1 * y, 0.9 - 0.1 * x * x], -1)


def noisy(size: int = 160) -> np.ndarray:
    return (0.9 + 0.01 * np.random.default_rng(0).standard_normal((size, size, 3))).clip(0, 1)


@pytest.mark.parametrize(
    "ground",
    [np.ones((160, 160, 3)), np.full((160, 160, 3), (0.1, 0.3, 0.2)), gradient(), noisy()],
    ids=["white", "green", "gradient", "noise"],
)
def test_a_plain_ground_is_cut_away_and_white_within_the_object_stays(ground: np.ndarray, tmp_path: Path):
    Image.fromarray((scene(ground) * 255 + 0.5).astype(np.uint8)).save(tmp_path / "a.png")
    found = load_cut_out(tmp_path / "a.png")
    assert found.mask_source == "plain"
    alpha = found.rgba[..., 3] / 255
    assert abs(alpha - disc()).mean() < 0.004
    assert alpha[80, 80] == 1
    # No light rim: the ground's colour does not shine through.
    rim = (alpha > 0.3) & (alpha < 0.9)
    assert rim.any()
    np.testing.assert_allclose(found.rgba[rim][:, :3], np.array([[178.5, 51, 25.5]]).repeat(rim.sum(), 0), atol=16)


def test_a_ground_with_a_texture_or_without_an_object_is_not_plain():
    rng = np.random.default_rng(0)
    assert plain_background(rng.uniform(0, 1, (64, 64, 3))) is None
    checks = np.indices((64, 64)).sum(0) // 8 % 2
    assert plain_background(checks[..., None].repeat(3, -1).astype(float)) is None
    assert plain_background(np.ones((64, 64, 3))) is None


def test_an_object_that_the_border_cuts_leaves_the_ground_plain():
    rgb = scene(np.ones((160, 160, 3)))[40:]
    ground = plain_background(rgb)
    assert ground is not None
    assert (~ground == (disc()[40:] > 0.5)).mean() > 0.99


def test_closed_form_solves_two_colours_exactly():
    # On a line of two colours alpha is affine in the colour, so the solution is the mixture itself.
    alpha = disc(60)
    rgb = alpha[..., None] * np.array([0.9, 0.1, 0.3]) + (1 - alpha[..., None]) * np.array([0.1, 0.6, 0.8])
    np.testing.assert_allclose(soften_rim(rgb, alpha > 0.5), alpha, atol=0.01)
    unknown = np.zeros((60, 60), bool)
    np.testing.assert_array_equal(closed_form_alpha(rgb, alpha > 0.5, unknown), alpha > 0.5)
