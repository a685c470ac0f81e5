"""Buildings, their doors towards +x."""

import numpy as np

from viewdistill.objects.geometry.assembly import around, chance, either_side, four_corners, part
from viewdistill.objects.geometry.extrusion import extruded_x, extruded_y
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import box, cylinder, disc, dome, ellipsoid, lathe
from viewdistill.objects.geometry.solid import Solid


def _arched(width: float, height: float, depth: float) -> Solid:
    """An upright slab with a round top facing +x, its foot at z = 0: doors and windows."""
    angle = np.linspace(0, np.pi, 7)
    top = np.stack([0.5 * width * np.cos(angle), height - 0.5 * width + 0.5 * width * np.sin(angle)], -1)
    return extruded_x([(-width / 2, 0.0), (width / 2, 0.0), *map(tuple, top)], depth)


def _battlements(radius: float, z: float, count: int) -> list[Solid]:
    return around(box(0.14, 0.9 * radius * 2 * np.pi / count / 1.8, 0.15).at(radius, 0, z), count)


def house(rng: np.random.Generator) -> Shape:
    """A house: gable, hip or flat roof, door and windows in front, chimney, porch or side wing."""
    x, y, wall = rng.uniform(0.7, 1.0), rng.uniform(0.8, 1.2), rng.uniform(0.5, 0.9)
    rise, eave = rng.uniform(0.3, 0.6), rng.uniform(0.08, 0.16)
    parts = [part("body", box(x, y, wall))]
    kind = rng.integers(4)
    if kind == 0:
        roof = extruded_x([(-y / 2 - eave, 0.0), (y / 2 + eave, 0.0), (0.0, rise)], x + eave).at(z=wall - 0.02)
    elif kind == 1:
        roof = extruded_y([(-x / 2 - eave, 0.0), (x / 2 + eave, 0.0), (0.0, rise)], y + eave).at(z=wall - 0.02)
    elif kind == 2:
        roof = box(x + 2 * eave, y + 2 * eave, rise, taper=rng.uniform(0.05, 0.4)).at(z=wall - 0.02)
    else:
        roof = box(x + eave, y + eave, 0.14).at(z=wall - 0.02)
    parts.append(part("accent", roof))
    door = rng.uniform(-0.25, 0.25) * y
    tall = min(0.45, 0.7 * wall)
    leaf = _arched(0.24, tall, 0.12) if chance(rng, 0.4) else box(0.12, 0.22, tall)
    parts.append(part("trim", leaf.at(x / 2, door)))
    places = [p for p in (-0.34 * y, 0.0, 0.34 * y) if abs(p - door) > 0.24]
    parts.append(part("glass", *(box(0.1, 0.2, 0.22).at(x / 2, p, 0.45 * wall) for p in places)))
    if wall > 0.65:
        parts.append(part("glass", *either_side(box(0.2, 0.1, 0.22).at(0, y / 2, 0.45 * wall))))
    if chance(rng, 0.6):
        parts.append(part("trim", box(0.16, 0.16, 0.75 * rise + 0.25).at(-0.22 * x, 0.25 * y, wall)))
    if chance(rng, 0.35):
        side = rng.choice([-1.0, 1.0]) * (y / 2 + 0.2)
        parts += [
            part("body", box(0.6 * x, 0.45, 0.5 * wall).at(-0.1, side)),
            part("accent", box(0.7 * x, 0.52, 0.1).at(-0.1, side, 0.5 * wall)),
        ]
    if chance(rng, 0.3):
        parts.append(
            part(
                "trim",
                box(0.3, 0.4, 0.08).at(x / 2 + 0.14, door),
                box(0.34, 0.44, 0.08).at(x / 2 + 0.14, door, tall + 0.02),
            )
        )
    return Shape(parts, "house", "house")


def castle(rng: np.random.Generator) -> Shape:
    """A castle: a walled keep with a gate in front and two or four corner towers with cones or battlements."""
    half, wall, radius = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.6), rng.uniform(0.16, 0.23)
    towers, pointed = chance(rng, 0.7), chance(rng, 0.6)
    parts = [part("body", box(2 * half, 2 * half, wall))]
    height = wall + rng.uniform(0.1, 0.4)
    tower = cylinder(radius, height, sides=16)
    places = [(1, 1), (1, -1), (-1, 1), (-1, -1)] if towers else [(1, 1), (1, -1)]
    parts.append(part("body", *(tower.at(sx * half, sy * half) for sx, sy in places)))
    hat = (
        cylinder(1.25 * radius, rng.uniform(0.3, 0.5), 0.0, 16).at(z=height)
        if pointed
        else cylinder(1.2 * radius, 0.14, sides=16).at(z=height - 0.02)
    )
    parts.append(part("accent", *(hat.at(sx * half, sy * half) for sx, sy in places)))
    tooth = box(0.1, 0.12, 0.13)
    teeth = [tooth.at(sx * (half - 0.05), y, wall - 0.01) for sx in (-1, 1) for y in np.linspace(-0.4, 0.4, 3) * half]
    parts.append(part("body", *teeth, *(t.turned("z", 90) for t in teeth)))
    parts.append(part("dark", _arched(0.28, 0.7 * wall, 0.12).at(half + 0.01)))
    if chance(rng, 0.6):
        keep = rng.uniform(0.3, 0.5) + wall
        parts.append(part("trim", box(0.42, 0.42, keep).at(-0.08)))
        parts.append(part("accent", box(0.54, 0.54, 0.35, taper=0.05).at(-0.08, 0, keep - 0.01)))
    parts.append(
        part("dark", *(box(0.1, 0.09, 0.16).at(half + radius - 0.03, s * half, 0.6 * height) for s in (-1, 1)))
    )
    return Shape(parts, "castle", "castle")


def tower(rng: np.random.Generator) -> Shape:
    """A single tower or lighthouse: tapered shaft with bands, gallery, lantern or battlements, door and windows."""
    foot, height = rng.uniform(0.3, 0.42), rng.uniform(1.0, 1.5)
    top, sides = foot * rng.uniform(0.6, 0.95), int(rng.choice([4, 6, 8, 24]))
    straight = lathe([(foot, 0.0), (top, height)], sides).turned("z", 180.0 / sides)
    parts = [part("body", straight)]
    for z in np.arange(1, 3)[: rng.integers(3)] * height / 3 - 0.08:
        low, high = np.interp([z, z + 0.16], [0, height], [foot, top]) + 0.03
        parts.append(part("accent", lathe([(low, z), (high, z + 0.16)], sides).turned("z", 180.0 / sides)))
    parts.append(part("trim", cylinder(1.35 * top, 0.12, sides=24).at(z=height - 0.02)))
    if chance(rng, 0.5):
        parts.append(part("glass", cylinder(0.7 * top, 0.28).at(z=height + 0.08)))
        cap = cylinder(0.95 * top, 0.3, 0.0) if chance(rng, 0.5) else dome(0.85 * top, 0.25)
        parts.append(part("accent", cap.at(z=height + 0.34)))
    elif chance(rng, 0.5):
        parts.append(part("trim", *_battlements(1.22 * top, height + 0.08, 8)))
    else:
        parts.append(part("accent", cylinder(1.3 * top, rng.uniform(0.4, 0.6), 0.0).at(z=height + 0.08)))
    flat = np.cos(np.pi / sides)
    parts.append(part("dark", _arched(0.22, 0.36, 0.14).at(foot * flat - 0.02)))
    walls = [(f * height, (foot + f * (top - foot)) * flat) for f in (0.5, 0.75)]
    parts.append(part("glass", *(box(0.14, 0.13, 0.17).at(wall - 0.02, 0, z) for z, wall in walls)))
    if chance(rng, 0.4):
        parts.append(part("trim", box(1.0, 1.0, 0.1) if chance(rng, 0.5) else cylinder(0.6, 0.1)))
    return Shape(parts, "tower", "tower")


def windmill(rng: np.random.Generator) -> Shape:
    """A windmill: tapered house, cap, three to six sails turned to the front, door below."""
    foot, height = rng.uniform(0.38, 0.48), rng.uniform(0.8, 1.1)
    top, sides = foot * rng.uniform(0.5, 0.75), int(rng.choice([4, 6, 24]))
    parts: list[Part] = [part("body", lathe([(foot, 0.0), (top, height)], sides).turned("z", 180.0 / sides))]
    cap = dome(1.12 * top, 0.3) if chance(rng, 0.5) else cylinder(1.2 * top, 0.35, 0.0)
    parts.append(part("accent", cap.at(z=height - 0.02)))
    count, length = int(rng.integers(3, 7)), rng.uniform(0.5, 0.7)
    hub, level = top + 0.16, height + 0.02
    sail = box(0.07, rng.uniform(0.14, 0.22), length).at(y=0.06, z=0.06)
    parts.append(part("white", *(s.at(hub, 0, level) for s in around(sail, count, "x", rng.uniform(0, 90)))))
    parts.append(
        part(
            "dark",
            cylinder(0.07, top + 0.1, sides=12).turned("y", 90).at(0.12, 0, level),
            ellipsoid(0.11).at(hub + 0.05, 0, level),
        )
    )
    flat = np.cos(np.pi / sides)
    parts.append(part("trim", _arched(0.26, 0.4, 0.16).at(foot * flat - 0.03)))
    middle = 0.5 * (foot + top) * flat
    parts.append(
        part(
            "glass",
            *either_side(box(0.16, 0.12, 0.18).at(0, middle, 0.5 * height)),
            box(0.12, 0.16, 0.16).at(middle - 0.02, 0, 0.58 * height),
        )
    )
    if chance(rng, 0.4):
        parts.append(part("trim", cylinder(foot + 0.16, 0.12, foot + 0.1)))
    return Shape(parts, "windmill", "windmill")


def letter_box(rng: np.random.Generator) -> Shape:
    """A letter box: on a post or standing, arched or round-headed, with slot and flag."""
    width, height = rng.uniform(0.4, 0.55), rng.uniform(0.4, 0.6)
    if chance(rng, 0.5):
        length, post = rng.uniform(0.7, 0.95), rng.uniform(0.5, 0.8)
        parts = [part("wood", box(0.16, 0.16, post + 0.05)), part("body", _arched(width, height, length).at(z=post))]
        parts.append(part("trim", _arched(0.8 * width, 0.8 * height, 0.1).at(length / 2, 0, post + 0.05)))
        flag = box(0.1, 0.08, 0.3).at(0, 0, 0), box(0.24, 0.08, 0.14).at(0.07, 0, 0.22)
        parts.append(part("accent", *(f.at(0.1, width / 2 + 0.02, post + 0.45 * height) for f in flag)))
        parts.append(part("dark", ellipsoid(0.07, sides=12).at(length / 2 + 0.05, 0, post + 0.5 * height)))
        return Shape(parts, "letter box", "letter_box")
    tall, radius = rng.uniform(0.9, 1.2), 0.6 * width
    square = chance(rng, 0.4)
    column = box(2 * radius, 2 * radius, tall, 0.03) if square else cylinder(radius, tall)
    cap = box(2.3 * radius, 2.3 * radius, 0.16, 0.04) if square else dome(1.15 * radius, 0.22)
    parts = [part("body", column), part("accent", cap.at(z=tall - 0.02)), part("dark", cylinder(1.12 * radius, 0.14))]
    parts.append(part("dark", box(0.14, radius, 0.1).at(radius - 0.03, 0, 0.78 * tall)))
    parts.append(part("white", box(0.14, 0.9 * radius, 0.28).at(radius - 0.04, 0, 0.35 * tall)))
    if square:
        parts.append(part("trim", *four_corners(box(0.12, 0.12, 0.1), radius - 0.06, radius - 0.06)))
    else:
        parts.append(part("trim", disc(0.1, 0.16).at(radius - 0.03, 0, 0.65 * tall)))
    return Shape(parts, "letter box", "letter_box")
