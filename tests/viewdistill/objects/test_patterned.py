"""Patterned objects: their prints, thin parts and lights; and that objects of other seeds are not touched by them."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from viewdistill.objects.dataset import RenderSettings, render_object
from viewdistill.objects.families.catalogue import FREE_FORM_FAMILIES
from viewdistill.objects.generator import PATTERNED_SEEDS, PATTERNED_TEST_SEEDS, TEST_SEEDS, TRAIN_SEEDS, generate
from viewdistill.objects.geometry.limbs import with_limbs
from viewdistill.objects.materials import Color, Print
from viewdistill.objects.prints import (
    Bands,
    Decal,
    Decorated,
    Letters,
    Picture,
    PolkaDots,
    Tiles,
    Uniform,
    Wrapping,
)
from viewdistill.objects.shading import random_flat_light, random_light

RED, WHITE, BLUE = (0.9, 0.1, 0.1), (0.95, 0.95, 0.95), (0.1, 0.2, 0.9)
FRONT = Wrapping((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), 0.0)

GOLDEN = (
    (0, "26bec978d8061443"),
    (499_999, "ab42589b75242741"),
    (10_000_000, "ec09bff41e18dec0"),
    (10_000_001, "c1e2b4ee5b93d071"),
    (10_000_007, "8f3cb826804d4fda"),
    (10_000_047, "4851189520bb6779"),
    (20_000_000, "2ac656a809269b5f"),
    (20_000_047, "8637243aa728bcca"),
    (1_000_000, "e423437f2701cc3d"),
    (30_000_000, "d2ecca2c74b99334"),
)
"""Digests of two small views; those below a million and of the test ranges are from before patterned objects."""


@pytest.mark.parametrize(("seed", "digest"), GOLDEN)
def test_rendered_objects_stay_what_they_are_to_the_byte(seed: int, digest: str) -> None:
    rgba, _ = render_object(seed, RenderSettings(views_per_object=2, size=32))
    assert hashlib.sha256(rgba.tobytes()).hexdigest()[:16] == digest


def points_on_front(rows: int = 40) -> np.ndarray:
    """Points of the square [-0.5, 0.5]^2 of the plane x = 0, row by row from the top."""
    axis = (np.arange(rows) + 0.5) / rows - 0.5
    z, y = np.meshgrid(-axis, axis, indexing="ij")
    return np.stack([np.zeros(rows**2), y.ravel(), z.ravel()], -1).astype(np.float32)


def paint(design: Print, rows: int = 40) -> np.ndarray:
    points = points_on_front(rows)
    rgb = design.paint(points, np.tile(np.array([1, 0, 0], np.float32), (len(points), 1)))
    assert rgb.dtype == np.float32
    assert 0 <= rgb.min() <= rgb.max() <= 1
    return rgb.reshape(rows, rows, 3)


def test_bands_alternate_across_and_not_along() -> None:
    rgb = paint(Bands(FRONT, (RED, WHITE, BLUE), 0.1, 0.0, (0.0, 0.0)))
    assert (rgb == rgb[:, :1]).all()
    colors = [tuple(rgb[row, 0].round(2).tolist()) for row in range(38, 0, -4)]
    assert colors[:3] == colors[3:6] == colors[6:9]
    assert len(set(colors)) == 3
    wavy = paint(Bands(FRONT, (RED, WHITE), 0.1, 0.0, (0.05, 20.0)))
    assert (wavy != wavy[:, :1]).any()


def test_tiles_have_one_colour_each_and_seams_between() -> None:
    rgb = paint(Tiles(FRONT, (RED, BLUE), WHITE, (0.25, 0.25), 0.2, 0.0, 0.0, 7))
    inner = rgb.reshape(4, 10, 4, 10, 3)[:, 3:7, :, 3:7]
    assert (inner == inner[:, :1, :, :1]).all()
    np.testing.assert_allclose(rgb[0::10], np.broadcast_to(np.array(WHITE, np.float32), (4, 40, 3)))
    found = np.unique(inner[:, 0, :, 0].reshape(-1, 3), axis=0)
    np.testing.assert_allclose(found, [BLUE, RED], rtol=1e-6)
    board = paint(Tiles(FRONT, (RED, BLUE), WHITE, (0.25, 0.25), 0.0, 0.0, 0.0, -1))[5::10, 5::10]
    assert (board[0, 0] != board[0, 1]).any()
    np.testing.assert_array_equal(board[0, 0], board[1, 1])


def test_dots_cover_their_share_and_rings_are_hollow() -> None:
    def share(inner: float) -> float:
        rgb = paint(PolkaDots(FRONT, WHITE, (RED,), 0.25, (inner, 0.4), 1), 80)
        return float((rgb[..., 1] < 0.5).mean())

    assert share(0.0) == pytest.approx(np.pi * 0.4**2, abs=0.03)
    assert share(0.3) == pytest.approx(np.pi * (0.4**2 - 0.3**2), abs=0.03)


def test_letters_stand_in_rows_with_space_between() -> None:
    rgb = paint(Letters(FRONT, WHITE, (RED,), 0.25, 1, 3), 80)
    inked = rgb[..., 1] < 0.5
    assert 0.1 < inked.mean() < 0.5
    empty = ~inked.any(1)
    assert empty.reshape(4, 20).sum(1).min() >= 5  # three tenths of a row


def test_pictures_vary_at_many_scales_and_shades_darken_only() -> None:
    waves = ((0.0, 6.0, 0.0), (0.0, 0.0, 40.0))
    soft = paint(Picture((0.5, 0.5, 0.5), waves, (0.0, 1.0), ((0.2, 0.0, 0.1), (0.05, 0.05, 0.0)), 1.2))
    assert soft[..., 0].std() > soft[..., 1].std() > 0
    plain = Uniform(Color("red", RED))
    shaded = paint(Decorated(plain, (), (0.0, 9.0, 0.0), 0.5))
    assert (shaded <= np.array(RED, np.float32) + 1e-6).all()
    assert shaded[..., 0].max() - shaded[..., 0].min() > 0.3


@pytest.mark.parametrize("corners", [0, 4, 5])
def test_decals_are_seen_from_the_side_they_face_only(corners: int) -> None:
    decal = Decal((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), 0.2, corners, Uniform(Color("blue", BLUE)))
    design = Decorated(Uniform(Color("red", RED)), (decal,), (1.0, 0.0, 0.0), 0.0)
    rgb = paint(design)
    assert (rgb[20, 20] == np.array(BLUE, np.float32)).all()
    assert (rgb[0, 0] == np.array(RED, np.float32)).all()
    points = points_on_front()
    behind = design.paint(points, np.tile(np.array([-1, 0, 0], np.float32), (len(points), 1)))
    assert (behind == np.array(RED, np.float32)).all()


def test_around_the_axis_a_print_turns_with_the_surface() -> None:
    around = Wrapping((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 0.4)
    angles = np.linspace(-3, 3, 13, dtype=np.float32)
    u, v = around(np.stack([np.cos(angles), np.sin(angles), angles], -1))
    np.testing.assert_allclose(u, 0.4 * angles, rtol=1e-5)
    np.testing.assert_allclose(v, angles)


@pytest.mark.parametrize("seed", range(4))
def test_thin_parts_are_closed_thin_and_join_the_shape(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = FREE_FORM_FAMILIES[seed](rng)
    limbed = with_limbs(shape, rng)
    added = limbed.parts[len(shape.parts) :]
    assert 1 <= len(added) <= 3
    body = max(shape.parts, key=lambda piece: float(np.ptp(piece.vertices, axis=0).prod())).vertices
    size = float(np.ptp(body, axis=0).max())
    for piece in added:
        edges = np.sort(piece.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
        gap = np.linalg.norm(piece.vertices[:, None] - body[None, ::7], axis=-1).min()
        assert gap < 0.25 * size


def test_patterned_objects_are_printed_and_seeds_of_tests_are_apart() -> None:
    objects = [generate(seed) for seed in range(1_000_000, 1_000_030)]
    printed = [obj.materials[0].printed is not None for obj in objects]
    assert np.mean(printed) > 0.6
    free = {family(np.random.default_rng(0)).family for family in FREE_FORM_FAMILIES}
    assert 0.2 < np.mean([obj.family in free for obj in objects]) < 0.8
    ranges = (TRAIN_SEEDS, PATTERNED_SEEDS, TEST_SEEDS, PATTERNED_TEST_SEEDS)
    assert all(a.stop <= b.start for a, b in pairwise(ranges))
    words = " ".join(obj.caption for obj in objects)
    assert "bold" in words or "mosaic" in words


def test_flat_lights_hardly_tell_the_sides_of_a_shape_apart() -> None:
    rng = np.random.default_rng(0)
    flat, usual = [random_flat_light(rng) for _ in range(40)], [random_light(rng) for _ in range(40)]
    assert max(light.key + light.fill for light in flat) < 0.25 < min(light.key for light in usual)
    assert all(0.7 < light.ambient <= 1.0 for light in flat)
