"""Which pixels are the object, and what is said about it."""

import numpy as np
import pytest

from viewdistill.input.regions import bounding_box, clean, object_doubts


def body(size: int = 200, radius: float = 40, alpha: int = 255) -> np.ndarray:
    """A red disc with a soft rim in the middle of a transparent picture."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[..., 3] = (alpha * np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)).astype(np.uint8)
    return rgba


@pytest.mark.parametrize("alpha", [40, 255])
def test_specks_are_left_out_and_said(alpha: int):
    rgba = body()
    rng = np.random.default_rng(0)
    for row, column in rng.integers(0, 40, (12, 2)):
        rgba[2 * row, 2 * column // 4, 3] = alpha
    cleaned = clean(rgba)
    assert bounding_box(cleaned.rgba) == bounding_box(body())
    (note,) = cleaned.notes
    assert "left out" in note


def test_small_parts_within_the_object_stay_and_nothing_is_said():
    rgba = body(radius=80)
    rgba[60:100, 60:100, 3] = 0
    rgba[76:84, 76:84, 3] = 255  # a pupil
    cleaned = clean(rgba)
    np.testing.assert_array_equal(cleaned.rgba, rgba)
    assert cleaned.notes == ()


def test_a_half_transparent_body_counts_as_solid_and_looks_the_same_over_white():
    rgba = body(alpha=115)
    rgba[80:110, 80:110, 3] = 255
    cleaned = clean(rgba)
    assert (cleaned.rgba[body()[..., 3] == 255][:, 3] > 200).mean() > 0.97
    before, after = (x[..., :3] * (x[..., 3:] / 255.0) + 255 - x[..., 3:] for x in (rgba, cleaned.rgba))
    np.testing.assert_allclose(before, after, atol=2)
    (note,) = cleaned.notes
    assert "half-transparent" in note


def test_a_soft_rim_is_no_half_transparent_body():
    rgba = body()
    np.testing.assert_array_equal(clean(rgba).rgba, rgba)


def test_an_object_that_borders_cut():
    rgba = body()[80:, 60:140]
    (doubt,) = object_doubts(rgba)
    assert doubt == "the object is cut by 3 borders of the picture (top, left, right)"
    assert object_doubts(body()) == []


def test_two_objects_and_a_thin_one():
    rgba = np.concatenate([body(), body(radius=25)], 1)
    (doubt,) = object_doubts(rgba)
    assert doubt.startswith("two separate objects")
    wire = np.zeros((200, 200, 4), np.uint8)
    wire[20:180, 20:24, 3] = wire[20:24, 20:180, 3] = wire[176:180, 20:180, 3] = 255
    (doubt,) = object_doubts(wire)
    assert "thinner than" in doubt
