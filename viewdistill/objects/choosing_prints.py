"""Random choice of the prints of a patterned object."""

from collections.abc import Sequence

import numpy as np

from viewdistill.objects.choosing import Box, pick_color, unit_direction
from viewdistill.objects.materials import NATURAL, NEUTRAL, VIVID, Color, Material, Plain, Print
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

PRINTED = 0.9
"""Probability of a print on the largest slot; a third of it on the others."""


def choose_printed_materials(rng: np.random.Generator, slots: Sequence[str], boxes: Sequence[Box]) -> list[Material]:
    """One material per slot, most of them printed; arguments as of `viewdistill.objects.choosing.choose_materials`."""
    taken: list[Color] = []
    materials: list[Material] = []
    for index, (slot, box) in enumerate(zip(slots, boxes, strict=True)):
        natural = NATURAL.get(slot) if rng.uniform() < 0.7 else None
        base = pick_color(rng, natural or (*VIVID, *NEUTRAL), taken)
        second = pick_color(rng, (*VIVID, *NEUTRAL, *NEUTRAL), [*taken, base])
        taken += [base, second]
        printed = rng.uniform() < (PRINTED if index == 0 else PRINTED / 3)
        design = random_print(rng, box, base, second) if printed and (natural is None or index == 0) else None
        materials.append(Material(base, second, Plain(), printed=design))
    return materials


def random_print(rng: np.random.Generator, box: Box, base: Color, second: Color) -> Print:
    """A print of two to six colours that fits the box, often with decals, seldom with painted shade."""
    ground = Uniform(base) if rng.uniform() < 0.15 else _random_ground(rng, base, second)
    few = 1 if isinstance(ground, Uniform) else 0
    count = int(rng.integers(few, 3 + 2 * few)) if rng.uniform() < 0.45 or few else 0
    decals = tuple(_random_decal(rng, box, base, second) for _ in range(count))
    shaded = float(rng.uniform(0.25, 0.6)) if rng.uniform() < 0.2 else 0.0
    x, y, z = (rng.uniform(3, 9) * np.array(unit_direction(rng))).tolist()
    return Decorated(ground, decals, (x, y, z), shaded)


def _random_ground(rng: np.random.Generator, base: Color, second: Color) -> Print:
    wrapping, kind = _random_wrapping(rng), rng.choice(5, p=(0.24, 0.27, 0.16, 0.13, 0.2))
    others = tuple(pick_color(rng, (*VIVID, *NEUTRAL), [base, second]).rgb for _ in range(int(rng.integers(0, 4))))
    seed = int(rng.integers(1 << 20))
    if kind == 0:
        wave = (float(rng.uniform(0.02, 0.08)), float(rng.uniform(8, 25))) if rng.uniform() < 0.4 else (0.0, 0.0)
        width, angle = float(rng.uniform(0.045, 0.17)), float(rng.choice([0.0, 0.5 * np.pi, rng.uniform(0, np.pi)]))
        return Bands(wrapping, (base.rgb, second.rgb, *others), width, angle, wave)
    if kind == 1:
        width = float(rng.uniform(0.06, 0.18))
        size = (width, width * float(rng.choice([1.0, 1.0, rng.uniform(0.4, 1.6)])))
        seam = float(rng.choice([0.0, rng.uniform(0.08, 0.25)]))
        return Tiles(
            wrapping,
            (base.rgb, second.rgb, *others),
            pick_color(rng, NEUTRAL, [base, second]).rgb,
            size,
            seam,
            float(rng.choice([0.0, 0.5])),
            float(rng.choice([0.0, 0.25 * np.pi])),
            -1 if rng.uniform() < 0.35 else seed,
        )
    if kind == 2:
        outer = float(rng.uniform(0.25, 0.45))
        inner = outer * float(rng.choice([0.0, 0.0, rng.uniform(0.4, 0.7)]))
        return PolkaDots(
            wrapping, base.rgb, (second.rgb, *others), float(rng.uniform(0.09, 0.24)), (inner, outer), seed
        )
    if kind == 3:
        height, every = float(rng.uniform(0.16, 0.42)), int(rng.integers(1, 3))
        return Letters(wrapping, base.rgb, (second.rgb, *others[:1]), height, every, seed)
    return _random_picture(rng, base, second)


def _random_picture(rng: np.random.Generator, base: Color, second: Color) -> Picture:
    lengths = np.exp(rng.uniform(np.log(5), np.log(45), 20))
    waves = [(length * np.array(unit_direction(rng))).tolist() for length in lengths]
    between = np.array(second.rgb) - np.array(base.rgb)
    tints = between * rng.uniform(-1, 1, (20, 1)) + 0.35 * rng.uniform(-1, 1, (20, 3))
    amplitudes = tints * (0.32 * (lengths / 5)[:, None] ** -rng.uniform(0.5, 1.0))
    mean = tuple((0.5 * (np.array(base.rgb) + np.array(second.rgb))).tolist())
    contrast = float(rng.choice([0.6, 1.2, 4.0]))
    phases = tuple(rng.uniform(0, 2 * np.pi, 20).tolist())
    return Picture(mean, tuple(map(tuple, waves)), phases, tuple(map(tuple, amplitudes.tolist())), contrast)


def _random_decal(rng: np.random.Generator, box: Box, base: Color, second: Color) -> Decal:
    color = pick_color(rng, (*VIVID, *NEUTRAL, *NEUTRAL), [base])
    azimuth, climb = rng.uniform(-np.pi, np.pi), rng.uniform(-0.5, 0.7)
    normal = np.array([np.cos(climb) * np.cos(azimuth), np.cos(climb) * np.sin(azimuth), np.sin(climb)])
    side = np.cross([0.0, 0.0, 1.0], normal)
    half = 0.5 * (box[1] - box[0])
    centre = 0.5 * (box[0] + box[1]) + half * (normal * 0.8 + rng.uniform(-0.3, 0.3, 3))
    radius = float(np.clip(rng.uniform(0.3, 0.8) * np.median(half), 0.06, 0.3))
    inside = Uniform(color) if rng.uniform() < 0.5 else _random_ground(rng, color, pick_color(rng, VIVID, [color]))
    corners = int(rng.choice([0, 0, 4, 5, 6]))
    across = side / np.linalg.norm(side)
    return Decal(_triple(centre), _triple(normal), _triple(across), radius, corners, inside)


def _random_wrapping(rng: np.random.Generator) -> Wrapping:
    if rng.uniform() < 0.45:
        return Wrapping((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), float(rng.uniform(0.25, 0.45)))
    if rng.uniform() < 0.5:
        return Wrapping((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), 0.0)
    across = np.array(unit_direction(rng))
    up = np.cross(across, unit_direction(rng))
    return Wrapping(_triple(across), _triple(up / np.linalg.norm(up)), 0.0)


def _triple(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
