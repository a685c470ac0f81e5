"""Random choice of an object's materials, and the caption that describes them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from viewdistill.objects.materials import (
    NATURAL,
    NEUTRAL,
    VIVID,
    Checks,
    Color,
    Dots,
    Label,
    Marble,
    Material,
    Pattern,
    Plain,
    Stripes,
    TwoTone,
)

SLOT_WORDS = {
    "body": "body",
    "accent": "details",
    "trim": "trim",
    "glass": "glass",
    "leaf": "leaves",
    "wood": "wood",
    "skin": "skin",
}
"""Names of the smaller slots in captions; slots missing here are not mentioned."""

Box = Float[np.ndarray, "2 3"]


def pick_color(rng: np.random.Generator, palette: Sequence[Color], taken: Sequence[Color]) -> Color:
    """A colour of the palette, a little shifted, whose name and place differ from those of ``taken`` where possible."""
    jitter = rng.uniform(-0.04, 0.04, 3)

    def distance(color: Color) -> float:
        return min((sum(abs(a - b) for a, b in zip(color.rgb, other.rgb, strict=True)) for other in taken), default=3.0)

    far = [color for color in palette if distance(color) > 0.45]
    chosen = far[rng.integers(len(far))] if far else max(palette, key=distance)
    red, green, blue = np.clip(np.add(chosen.rgb, jitter), 0.02, 0.98).round(4).tolist()
    return Color(chosen.name, (red, green, blue))


def unit_direction(rng: np.random.Generator) -> tuple[float, float, float]:
    """Uniform on the sphere."""
    z, azimuth = rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi)
    r = float(np.sqrt(1 - z * z))
    return (r * float(np.cos(azimuth)), r * float(np.sin(azimuth)), float(z))


def random_stripes(rng: np.random.Generator) -> Stripes:
    """Bands across one of the axes, or across a random direction."""
    axes = ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), unit_direction(rng))
    axis = axes[rng.integers(len(axes))]
    return Stripes(axis, rng.uniform(0.13, 0.34), rng.uniform(), rng.uniform(0.3, 0.6))


def random_two_tone(rng: np.random.Generator, box: Box) -> TwoTone:
    """A split through the middle part of ``box``, mostly between front and back."""
    axes = ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0))
    axis = axes[rng.integers(len(axes))]
    ends = np.sort(box @ np.asarray(axis))
    return TwoTone(axis, float(ends[0] + rng.uniform(0.35, 0.65) * (ends[1] - ends[0])))


def random_marble(rng: np.random.Generator) -> Marble:
    """Veins of three to six per unit length."""
    lengths = (rng.uniform(14, 24), *rng.uniform(6, 16, 3).tolist())
    waves = [tuple(length * c for c in unit_direction(rng)) for length in lengths]
    directions = tuple((float(x), float(y), float(z)) for x, y, z in waves)
    return Marble(directions, tuple(rng.uniform(0, 2 * np.pi, 4).tolist()), rng.uniform(0.5, 1.1))


def random_pattern(rng: np.random.Generator, box: Box, plain: float) -> Pattern:
    """A pattern that fits the box; ``plain`` is the probability of none."""
    if rng.uniform() < plain:
        return Plain()
    kind = rng.choice(5, p=(0.27, 0.14, 0.18, 0.25, 0.16))
    if kind == 0:
        return random_stripes(rng)
    x, y, z = rng.uniform(0, 1, 3).tolist()
    if kind == 1:
        return Checks(rng.uniform(0.11, 0.24), (x, y, z))
    if kind == 2:
        return Dots(rng.uniform(0.17, 0.30), rng.uniform(0.26, 0.38), (x, y, z))
    return random_two_tone(rng, box) if kind == 3 else random_marble(rng)


def random_label(rng: np.random.Generator, box: Box, taken: Sequence[Color]) -> Label:
    """A label on the middle of the front of ``box``."""
    color = pick_color(rng, (*VIVID, *NEUTRAL, *NEUTRAL), taken)
    emblem_color = pick_color(rng, (*VIVID, *NEUTRAL), (*taken, color))
    size, middle = box[1] - box[0], 0.5 * (box[0] + box[1])
    half_y = float(np.clip(rng.uniform(0.22, 0.38) * size[1], 0.05, 0.22))
    half_z = float(np.clip(rng.uniform(0.15, 0.3) * size[2], 0.05, 0.22))
    centre = (float(middle[1]), float(middle[2] + rng.uniform(-0.12, 0.12) * size[2]))
    return Label(color, emblem_color, ("bar", "disc", "column")[rng.integers(3)], centre, (half_y, half_z))


def choose_materials(rng: np.random.Generator, slots: Sequence[str], boxes: Sequence[Box]) -> list[Material]:
    """One material per slot, colours of one object kept apart.

    Args:
        rng: Source of all choices.
        slots: Names, the one with the largest area first.
        boxes: Lower and upper corner of the geometry of each slot.

    Returns:
        Materials in the order of the slots. The first slot has a pattern and a label more often than the others.
    """
    taken: list[Color] = []
    materials: list[Material] = []
    for index, (slot, box) in enumerate(zip(slots, boxes, strict=True)):
        natural = NATURAL.get(slot)
        base = pick_color(rng, natural or (*VIVID, *VIVID, *NEUTRAL), taken)
        second = pick_color(rng, (*VIVID, *NEUTRAL, *NEUTRAL), [*taken, base])
        plain = (0.25 if natural is None else 0.6) if index == 0 else (0.7 if natural is None else 1.0)
        pattern = random_pattern(rng, box, plain)
        taken += [base] if isinstance(pattern, Plain) else [base, second]
        labelled = rng.uniform() < (0.35 if natural is None else 0.15) and index == 0
        materials.append(Material(base, second, pattern, random_label(rng, box, taken) if labelled else None))
    return materials


def describe(noun: str, slots: Sequence[str], materials: Sequence[Material], areas: Sequence[float]) -> str:
    """A caption such as "a red mug with white stripes and a blue label".

    Args:
        noun: The object's name.
        slots: Names, largest area first.
        materials: One per slot.
        areas: Surface area per slot, any unit; smaller slots are mentioned only above an eighth of the whole.
    """
    main = materials[0]
    before, behind = main.describe()
    extras = [behind] if behind else []
    if main.label is not None:
        extras.append(f"{'' if extras else 'with '}{with_article(main.label.color.name)} label")
    for slot, material, area in zip(slots[1:], materials[1:], areas[1:], strict=True):
        name = SLOT_WORDS.get(slot)
        if name is not None and area > sum(areas) / 8 and len(extras) < 2:
            extras.append(f"{'' if extras else 'with '}{material.base.name} {name}")
    head = noun.split()[0]
    plural = head.endswith("s") and not head.endswith(("ss", "us"))
    return f"{before if plural else with_article(before)} {noun} {' and '.join(extras)}".strip()


def with_article(words: str) -> str:
    """The words with "a" or "an" in front."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
