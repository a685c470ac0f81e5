"""Furniture."""

import numpy as np

from viewdistill.objects.geometry.assembly import around, chance, either_side, four_corners, part
from viewdistill.objects.geometry.extrusion import extruded_x
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import box, cylinder, disc, ellipsoid, lathe, torus
from viewdistill.objects.geometry.solid import Solid


def _leg(rng: np.random.Generator, height: float, thickness: float) -> Solid:
    """A leg standing on the ground: square, round, tapered or turned on a lathe."""
    kind = rng.integers(4)
    if kind == 0:
        return box(2 * thickness, 2 * thickness, height)
    if kind == 1:
        return cylinder(thickness, height, sides=12)
    if kind == 2:
        return cylinder(0.75 * thickness, height, 1.3 * thickness, sides=12)
    steps = [(0.9, 0.0), (1.2, 0.15), (0.8, 0.4), (1.35, 0.7), (0.9, 0.85), (1.2, 1.0)]
    return lathe([(radius * thickness, z * height) for radius, z in steps], 12)


def chair(rng: np.random.Generator) -> Shape:
    """A chair facing +x: legs, seat, a back of panel, slats or rails, sometimes arms and a cushion."""
    x, y = rng.uniform(0.7, 0.9, 2)
    seat, back = rng.uniform(0.45, 0.7), rng.uniform(0.55, 0.95)
    leg = _leg(rng, seat, rng.uniform(0.05, 0.07))
    parts = [part("trim", *four_corners(leg, x / 2 - 0.08, y / 2 - 0.08))]
    parts.append(part("body", box(x, y, 0.12, 0.02).at(z=seat - 0.02)))
    rear, top = -x / 2 + 0.06, seat + 0.05
    kind = rng.integers(3)
    if kind == 0:
        parts.append(part("body", box(0.12, y, back, 0.03).at(rear, 0, top)))
    elif kind == 1:
        slats = [box(0.1, 0.13, back).at(rear, k * (y / 2 - 0.065), top) for k in (-1.0, 0.0, 1.0)]
        parts.append(part("body", *slats, box(0.12, y, 0.18, 0.02).at(rear, 0, top + back - 0.1)))
    else:
        posts = either_side(box(0.11, 0.11, back).at(rear, y / 2 - 0.055, top))
        parts.append(part("body", *posts, *(box(0.09, y, 0.17).at(rear, 0, top + f * back) for f in (0.3, 0.75))))
    if chance(rng, 0.5):
        parts.append(part("accent", box(0.85 * x, 0.85 * y, 0.12, 0.04).at(0.03, 0, seat + 0.08)))
    if chance(rng, 0.35):
        arm = box(0.9 * x, 0.1, 0.1).at(0, y / 2 - 0.05, seat + 0.28)
        post = box(0.1, 0.1, 0.32).at(x / 2 - 0.1, y / 2 - 0.05, seat)
        parts.append(part("trim", *either_side(arm), *either_side(post)))
    return Shape(parts, "chair", "chair")


def table(rng: np.random.Generator) -> Shape:
    """A table with a square or round top on four legs, a pedestal or two panels, and a drawer or things on it."""
    x, y, height = rng.uniform(0.7, 1.0), rng.uniform(0.9, 1.5), rng.uniform(0.5, 0.8)
    rounded = chance(rng, 0.4)
    top = cylinder(0.5, 0.1, sides=32).scaled(x, y) if rounded else box(x, y, 0.11, 0.02)
    parts = [part("body", top.at(z=height))]
    kind, inset = rng.integers(3), 0.19 if rounded else 0.09
    if kind == 0:
        leg = _leg(rng, height + 0.02, rng.uniform(0.06, 0.08))
        parts.append(part("trim", *four_corners(leg, x / 2 - inset, y / 2 - inset)))
    elif kind == 1:
        column, foot = cylinder(rng.uniform(0.08, 0.16), height + 0.02), cylinder(0.3, 0.1, 0.22)
        parts.append(part("trim", column, foot))
    else:
        parts.append(part("trim", *either_side(box(0.6 * x, 0.12, height + 0.02).at(y=y / 2 - inset - 0.05))))
    if kind != 1 and chance(rng, 0.6):
        parts.append(part("accent", box(0.5 * x, 0.5 * y, 0.22).at(0.15 * x, 0, height - 0.2)))
        parts.append(part("dark", ellipsoid(0.06, sides=12).at(0.4 * x, 0, height - 0.1)))
    if chance(rng, 0.5):
        bowl = lathe([(0.1, 0.0), (rng.uniform(0.18, 0.28), 0.2), (0.14, 0.26)]).at(
            0, rng.uniform(-0.2, 0.2), height + 0.09
        )
        parts.append(part("accent", bowl))
    return Shape(parts, "table", "table")


def stool(rng: np.random.Generator) -> Shape:
    """A stool with three to five splayed legs, a round or square seat, sometimes a ring between the legs."""
    seat, height, count = rng.uniform(0.32, 0.45), rng.uniform(0.6, 1.1), int(rng.integers(3, 6))
    splay = rng.uniform(2, 12)
    leg = _leg(rng, height, 0.065).at(z=-height).turned("y", -splay).at(0.75 * seat, 0, height)
    parts = [part("trim", *around(leg, count, first=rng.uniform(0, 90)))]
    top = cylinder(seat, 0.14) if chance(rng, 0.6) else box(1.8 * seat, 1.8 * seat, 0.14, 0.03)
    parts.append(part("body", top.at(z=height - 0.03)))
    if chance(rng, 0.5):
        parts.append(part("accent", ellipsoid(0.9 * seat, z=0.14).at(z=height + 0.1)))
    if chance(rng, 0.5):
        level = rng.uniform(0.3, 0.5)
        reach = 0.75 * seat + np.tan(np.radians(splay)) * height * (1 - level)
        parts.append(part("trim", torus(reach, 0.05).at(z=level * height)))
    return Shape(parts, "stool", "stool")


def sofa(rng: np.random.Generator) -> Shape:
    """A sofa or armchair: base, back, two arms, one to three seat cushions and sometimes pillows."""
    seats = int(rng.integers(1, 4))
    width, x = 0.5 * seats + 0.2, rng.uniform(0.65, 0.8)
    seat, back, arm = rng.uniform(0.25, 0.35), rng.uniform(0.7, 1.0), rng.uniform(0.45, 0.6)
    leg = rng.uniform(0.06, 0.16)
    parts = [part("body", box(x, width, seat, 0.03).at(z=leg), box(0.22, width, back, 0.06).at(-x / 2 + 0.1, 0, leg))]
    if chance(rng, 0.5):
        side = cylinder(0.13, x).turned("y", 90).at(-x / 2, width / 2 + 0.04, leg + arm - 0.1)
        parts.append(
            part("body", *either_side(box(x, 0.16, arm - 0.1).at(0, width / 2 + 0.04, leg)), *either_side(side))
        )
    else:
        parts.append(part("body", *either_side(box(x, 0.2, arm, 0.04).at(0, width / 2 + 0.04, leg))))
    pitch = width / seats
    places = [(k - (seats - 1) / 2) * pitch for k in range(seats)]
    parts.append(
        part("accent", *(box(x - 0.1, 0.94 * pitch, 0.16, 0.05).at(0.06, y, leg + seat - 0.03) for y in places))
    )
    parts.append(part("dark", *four_corners(cylinder(0.06, leg + 0.05, sides=10), x / 2 - 0.08, width / 2 - 0.02)))
    if chance(rng, 0.5):
        pillow = ellipsoid(0.1, 0.2, 0.2).turned("y", -15).at(-x / 2 + 0.28, rng.choice(places), leg + seat + 0.3)
        parts.append(part("trim", pillow))
    return Shape(parts, "sofa" if seats > 1 else "armchair", "sofa")


def cupboard(rng: np.random.Generator) -> Shape:
    """A cupboard with doors or drawers and knobs on the front, a plinth, feet or a cornice."""
    x, y, z = rng.uniform(0.4, 0.6), rng.uniform(0.6, 1.0), rng.uniform(0.7, 1.4)
    parts: list[Part] = [part("body", box(x, y, z, 0.02).at(z=0.1))]
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    wide, tall = (y - 0.08) / columns, (z - 0.08) / rows
    centres = [((c - (columns - 1) / 2) * wide, 0.14 + (r + 0.5) * tall) for r in range(rows) for c in range(columns)]
    doors = [box(0.1, wide - 0.08, tall - 0.08).at(x / 2, a, b - tall / 2 + 0.04) for a, b in centres]
    parts.append(part("accent", *doors))
    pull = 0.3 * wide if rows == 1 else 0.0
    parts.append(
        part("dark", *(ellipsoid(0.055, sides=10).at(x / 2 + 0.08, a - np.sign(a) * pull, b) for a, b in centres))
    )
    if chance(rng, 0.5):
        parts.append(part("trim", *four_corners(cylinder(0.06, 0.15, sides=12), x / 2 - 0.07, y / 2 - 0.07)))
    else:
        parts.append(part("trim", box(x + 0.06, y + 0.06, 0.13)))
    if chance(rng, 0.5):
        parts.append(part("trim", box(x + 0.12, y + 0.12, 0.09).at(z=z + 0.08)))
    elif chance(rng, 0.5):
        gable = extruded_x([(-y / 2, 0.0), (y / 2, 0.0), (0.0, 0.25)], x).at(z=z + 0.08)
        parts.append(part("trim", gable))
    return Shape(parts, "cupboard", "cupboard")


def bed(rng: np.random.Generator) -> Shape:
    """A bed whose foot is at the front: frame, headboard, mattress, blanket and pillows."""
    x, y = rng.uniform(1.3, 1.6), rng.uniform(0.7, 1.1)
    head, legs = rng.uniform(0.5, 0.8), rng.uniform(0.12, 0.2)
    parts = [part("trim", *four_corners(box(0.12, 0.12, legs + 0.05), x / 2 - 0.06, y / 2 - 0.06))]
    parts.append(part("trim", box(x, y, 0.16).at(z=legs), box(0.12, y, head, 0.03).at(-x / 2, 0, legs)))
    if chance(rng, 0.4):
        crown = disc(y / 2, 0.12, 28).at(-x / 2, 0, legs + head)
        parts.append(part("trim", crown.scaled(z=0.9)))
    parts.append(part("accent", box(x - 0.06, y - 0.06, 0.2, 0.05).at(0.0, 0, legs + 0.12)))
    blanket = rng.uniform(0.5, 0.7) * x
    parts.append(part("body", box(blanket, y + 0.04, 0.22, 0.05).at((x - blanket) / 2, 0, legs + 0.14)))
    if chance(rng, 0.6):
        parts.append(part("trim", box(0.1, y, rng.uniform(0.3, 0.45)).at(x / 2 + 0.05, 0, legs)))
    pillows = [0.0] if y < 0.85 else [-0.24 * y, 0.24 * y]
    parts.append(
        part(
            "white", *(ellipsoid(0.17, 0.36 * y / len(pillows), 0.1).at(-x / 2 + 0.3, p, legs + 0.36) for p in pillows)
        )
    )
    return Shape(parts, "bed", "bed")
