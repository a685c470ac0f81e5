"""Patterns at points computed by hand, and captions against the materials they tell of."""

import numpy as np
import pytest

from viewdistill.objects.choosing import choose_materials, describe, pick_color, random_pattern, with_article
from viewdistill.objects.materials import (
    DARK,
    NEUTRAL,
    VIVID,
    Checks,
    Color,
    Dots,
    Label,
    Marble,
    Material,
    Plain,
    Stripes,
    TwoTone,
)

RED, BLUE, WHITE = Color("red", (0.8, 0.2, 0.2)), Color("blue", (0.2, 0.2, 0.8)), Color("white", (0.9, 0.9, 0.9))
BOX = np.array([[-0.4, -0.3, -0.5], [0.4, 0.3, 0.5]])


def amounts(pattern: Stripes | Checks | Dots | TwoTone, *points: tuple[float, float, float]) -> list[float]:
    return pattern.amount(np.array(points)).tolist()


def test_stripes_repeat_along_their_axis_only() -> None:
    stripes = Stripes((0.0, 0.0, 1.0), period=0.2, phase=0.0, share=0.25)
    assert amounts(stripes, (0, 0, 0.04), (0.3, -0.4, 0.04), (0, 0, 0.06), (0, 0, 0.24), (0, 0, -0.17)) == [
        1,
        1,
        0,
        1,
        1,
    ]


def test_checks_alternate_in_every_direction() -> None:
    checks = Checks(0.1, (0.0, 0.0, 0.0))
    corner = (0.05, 0.05, 0.05)
    assert amounts(checks, corner, (0.15, 0.05, 0.05), (0.15, 0.15, 0.05), (-0.05, 0.05, 0.05)) == [0, 1, 0, 1]


def test_dots_are_balls_at_corners_and_centres_of_the_lattice() -> None:
    dots = Dots(0.2, 0.25, (0.0, 0.0, 0.0))
    assert amounts(dots, (0.4, 0, -0.2), (0.1, 0.1, 0.1), (0.04, 0, 0), (0.06, 0, 0), (0.1, 0.1, 0)) == [1, 1, 1, 0, 0]


def test_two_tone_puts_the_second_colour_on_the_positive_side() -> None:
    assert amounts(TwoTone((1.0, 0.0, 0.0), 0.1), (0.2, 0, 0), (0, 1, 1), (-0.2, 0, 0)) == [1, 0, 0]


def test_marble_varies_smoothly_between_both_colours() -> None:
    marble = Marble(((20.0, 0.0, 0.0), (0.0, 9.0, 0.0)), (0.3, 1.0), 0.8)
    line = np.stack([np.linspace(-0.5, 0.5, 2000), np.full(2000, 0.1), np.zeros(2000)], -1)
    amount = marble.amount(line)
    assert amount.min() == 0
    assert amount.max() == 1
    assert np.abs(np.diff(amount)).max() < 0.02


def test_a_label_is_on_the_front_only() -> None:
    label = Label(WHITE, BLUE, "disc", centre=(0.0, 0.1), half_size=(0.2, 0.1))
    material = Material(RED, RED, Plain(), label)
    points = np.array([[0.4, 0.0, 0.1], [0.4, 0.19, 0.19], [0.4, 0.21, 0.1], [-0.4, 0.0, 0.1], [0.4, 0.0, 0.1]])
    normals = np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1]])
    rgb = material.albedo(points, normals)
    np.testing.assert_allclose(rgb, [BLUE.rgb, WHITE.rgb, RED.rgb, RED.rgb, RED.rgb])


def test_albedo_mixes_the_two_colours_and_keeps_the_dtype() -> None:
    material = Material(RED, BLUE, TwoTone((0.0, 1.0, 0.0), 0.0))
    points = np.array([[0.0, 0.3, 0.0], [0.0, -0.3, 0.0]], np.float32)
    rgb = material.albedo(points, points)
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb, [BLUE.rgb, RED.rgb], rtol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_random_patterns_show_both_colours_inside_their_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = random_pattern(rng, BOX, plain=0.0)
    amount = pattern.amount(rng.uniform(BOX[0], BOX[1], (4000, 3)))
    assert 0.02 < amount.mean() < 0.98
    assert amount.min() >= 0
    assert amount.max() <= 1


def test_picked_colours_keep_apart() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        taken = [pick_color(rng, VIVID, [])]
        other = pick_color(rng, (*VIVID, *NEUTRAL), taken)
        assert np.abs(np.subtract(other.rgb, taken[0].rgb)).sum() > 0.45 - 0.13  # the shifts may bring them nearer
        assert other.name != taken[0].name


def test_slots_with_a_usual_colour_keep_it() -> None:
    for seed in range(20):
        body, tires = choose_materials(np.random.default_rng(seed), ["body", "dark"], [BOX, BOX])
        assert tires.base.name in {color.name for color in DARK}
        assert isinstance(tires.pattern, Plain)
        assert body.base.name in {color.name for color in (*VIVID, *NEUTRAL)}


def test_captions_by_hand() -> None:
    stripes = Material(RED, WHITE, Stripes((0.0, 0.0, 1.0), 0.2, 0.0, 0.5))
    assert describe("mug", ["body"], [stripes], [1.0]) == "a red mug with white stripes"
    label = Label(BLUE, WHITE, "bar", (0.0, 0.0), (0.1, 0.1))
    labelled = Material(RED, WHITE, Dots(0.2, 0.3, (0.0, 0.0, 0.0)), label)
    assert describe("mug", ["body"], [labelled], [1.0]) == "a red mug with white dots and a blue label"
    two_tone = Material(Color("orange", (0.9, 0.5, 0.1)), BLUE, TwoTone((1.0, 0.0, 0.0), 0.0))
    plain = Material(WHITE, RED, Plain())
    assert describe("car", ["body", "trim"], [two_tone, plain], [3.0, 1.0]) == "an orange and blue car with white trim"
    assert describe("car", ["body", "trim"], [two_tone, plain], [9.0, 1.0]) == "an orange and blue car"
    assert describe("mushrooms", ["body"], [plain], [1.0]) == "white mushrooms"
    assert describe("cactus", ["body"], [plain], [1.0]) == "a white cactus"
    assert describe("stack of blocks", ["body"], [plain], [1.0]) == "a white stack of blocks"


def test_articles() -> None:
    assert [with_article(word) for word in ("orange car", "red car")] == ["an orange car", "a red car"]
