"""Vessels, lamps and small things of the house."""

import numpy as np

from viewdistill.objects.geometry.assembly import around, chance, part
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import arch, box, curve, cylinder, disc, dome, ellipsoid, lathe, torus, tube
from viewdistill.objects.geometry.solid import Solid


def _handle(radius: float, thickness: float, y: float, z: float, stretch: float) -> Solid:
    """A half ring standing out of a vessel's wall towards +y."""
    return arch(radius, thickness, -110, 110).scaled(z=stretch).at(y=y, z=z)


def mug(rng: np.random.Generator) -> Shape:
    """A mug with a handle at a random azimuth and often a label on the front."""
    height, foot, lip = rng.uniform(0.85, 1.35), rng.uniform(0.38, 0.52), rng.uniform(0.42, 0.6)
    bulge, wall = rng.uniform(0.9, 1.2) * (foot + lip) / 2, 0.07
    outside = [(foot, 0.0), (bulge, 0.35 * height), ((bulge + lip) / 2, 0.7 * height), (lip, height)]
    inside = [(lip - wall, height), (bulge - wall - 0.03, 0.4 * height), (foot - wall, 0.1)]
    parts = [part("body", lathe([(0.0, 0.0), *outside, *inside, (0.0, 0.1)], 28))]
    handle = _handle(rng.uniform(0.24, 0.34), rng.uniform(0.06, 0.09), bulge, 0.5 * height, height)
    parts.append(part(str(rng.choice(["body", "accent"])), handle.turned("z", rng.uniform(-75, 75))))
    if chance(rng, 0.6):
        level = rng.uniform(0.45, 0.6) * height
        wall_there = float(np.interp(level, [z for _, z in outside], [radius for radius, _ in outside]))
        label = ellipsoid(0.1, rng.uniform(0.16, 0.26), rng.uniform(0.18, 0.26)).at(wall_there - 0.03, 0, level)
        parts.append(part("accent", label))
    if chance(rng, 0.5):
        parts.append(part("trim", torus(lip - wall / 2, 0.05, 28, 8).at(z=height)))
    filling = rng.uniform(0.4, 0.9) * height
    inner = float(np.interp(filling, [z for _, z in inside[::-1]], [radius for radius, _ in inside[::-1]]))
    parts.append(part("dark", cylinder(inner + 0.02, 0.02).at(z=filling)))
    return Shape(parts, "mug", "mug")


def _bottle_profile(rng: np.random.Generator) -> list[tuple[float, float]]:
    radius, shoulder, height = rng.uniform(0.3, 0.48), rng.uniform(0.75, 1.2), rng.uniform(1.5, 1.9)
    neck, foot, round_off = rng.uniform(0.11, 0.17), rng.uniform(0.75, 1.0) * radius, rng.uniform(0.5, 0.95)
    rise = 0.5 * (height - shoulder)
    return [
        (0.0, 0.0),
        (foot, 0.0),
        (radius, 0.12),
        (radius, shoulder),
        (round_off * radius, shoulder + 0.6 * rise),
        (neck, shoulder + 1.1 * rise),
        (neck, height),
        (0.0, height),
    ]


def bottle(rng: np.random.Generator) -> Shape:
    """A bottle, sometimes square, with a stopper and a label on the front."""
    profile = _bottle_profile(rng)
    radius, height = profile[3][0], profile[-1][1]
    square = chance(rng, 0.25)
    body = lathe(profile, 4 if square else 28)
    parts = [part("glass" if chance(rng, 0.5) else "body", body.turned("z", 45) if square else body)]
    cap = cylinder(profile[-2][0] + 0.05, rng.uniform(0.15, 0.28)) if chance(rng, 0.6) else ellipsoid(0.2)
    parts.append(part("trim", cap.at(z=height - 0.05)))
    front = radius * (0.7071 if square else 0.97)
    width, tall = rng.uniform(0.7, 1.1) * radius, rng.uniform(0.35, 0.6)
    parts.append(part("accent", box(0.14, width, tall, 0.03).at(front - 0.03, 0.0, rng.uniform(0.2, 0.3))))
    if chance(rng, 0.4):
        parts.append(part("trim", torus(profile[-2][0], 0.06).at(z=height - 0.25)))
    return Shape(parts, "bottle", "bottle")


def lamp(rng: np.random.Generator) -> Shape:
    """A table lamp: foot, stem of one of three kinds, shade, and a switch on the front."""
    stem, shade_low, shade_high = rng.uniform(0.5, 1.0), rng.uniform(0.45, 0.65), rng.uniform(0.15, 0.45)
    shade, foot = rng.uniform(0.45, 0.7), rng.uniform(0.32, 0.48)
    parts = [part("body", cylinder(foot, 0.14, foot * rng.uniform(0.5, 1.0)) if chance(rng, 0.6) else dome(foot, 0.25))]
    kind = rng.integers(3)
    if kind == 0:
        parts.append(part("trim", cylinder(rng.uniform(0.07, 0.11), stem + 0.2)))
    elif kind == 1:
        balls = int(rng.integers(2, 4))
        radius = stem / (2 * balls)
        parts.append(part("trim", *(ellipsoid(radius * 1.12).at(z=0.1 + radius * (2 * k + 1)) for k in range(balls))))
    else:
        belly = rng.uniform(0.2, 0.34)
        parts.append(part("trim", lathe([(0.1, 0.1), (belly, 0.1 + 0.4 * stem), (0.08, 0.2 + stem)])))
    top = lathe([(0.0, 0.0), (shade_low, 0.0), (shade_high, shade), (0.0, shade)], int(rng.choice([6, 8, 28])))
    parts.append(part("accent", top.at(z=0.1 + stem)))
    parts.append(part("dark", ellipsoid(0.09, sides=12).at(x=0.85 * foot, z=0.13)))
    return Shape(parts, "lamp", "lamp")


def watering_can(rng: np.random.Generator) -> Shape:
    """A watering can: a drum with a spout to the front and a handle over the top or behind."""
    radius, height = rng.uniform(0.4, 0.55), rng.uniform(0.6, 0.95)
    parts = [part("body", cylinder(radius, height, radius * rng.uniform(0.7, 1.0)))]
    reach, rise = radius + rng.uniform(0.4, 0.7), height * rng.uniform(0.95, 1.3)
    parts.append(part("trim", tube([(0.6 * radius, 0, 0.25), (reach, 0, rise)], [0.13, 0.08])))
    rose = cylinder(0.09, 0.18, 0.22).turned("y", 50).at(reach - 0.03, 0, rise - 0.02)
    parts.append(part("accent", rose))
    if chance(rng, 0.5):
        handle = arch(0.85 * radius, 0.075, 0, 180).turned("z", 90).scaled(z=rng.uniform(0.7, 1.1)).at(z=height - 0.05)
    else:
        handle = _handle(0.38 * height + 0.05, 0.075, 0.85 * radius, 0.55 * height, 1.0).turned("z", 90)
    parts.append(part("accent", handle))
    return Shape(parts, "watering can", "watering_can")


def jug(rng: np.random.Generator) -> Shape:
    """A bellied jug with a lip to the front and a tall handle behind."""
    belly, height, neck = rng.uniform(0.42, 0.58), rng.uniform(1.1, 1.5), rng.uniform(0.2, 0.32)
    profile = [
        (0.0, 0.0),
        (0.6 * belly, 0.0),
        (belly, 0.35 * height),
        (0.8 * belly, 0.6 * height),
        (neck, 0.78 * height),
        (neck + 0.1, height),
        (neck, height),
        (0.0, 0.85 * height),
    ]
    parts = [part("body", lathe(profile, 28))]
    lip = cylinder(0.05, rng.uniform(0.3, 0.4), 0.18).turned("y", rng.uniform(35, 55)).at(neck - 0.04, 0, height - 0.27)
    parts.append(part("body", lip))
    back = curve([(-neck, 0, 0.92 * height), (-belly - 0.5, 0, 1.0 * height), (-0.8 * belly, 0, 0.3 * height)])
    parts.append(part("accent", tube(back, rng.uniform(0.07, 0.09))))
    if chance(rng, 0.5):
        parts.append(part("accent", torus(neck + 0.02, 0.06).at(z=0.78 * height)))
    if chance(rng, 0.5):
        parts.append(part("trim", ellipsoid(0.09, 0.2, 0.16).at(0.93 * belly, 0, 0.38 * height)))
    return Shape(parts, "jug", "jug")


def teapot(rng: np.random.Generator) -> Shape:
    """A teapot: round or tall body, lid with a knob, spout to the front, handle behind or above."""
    radius, squash = 0.55, rng.uniform(0.7, 1.15)
    top = 2 * 0.92 * radius * squash
    pot = ellipsoid(radius, z=radius * squash, sides=28) if chance(rng, 0.7) else cylinder(radius, top, 0.7 * radius)
    centre = radius * squash if len(pot.faces) > 200 else 0.0
    parts = [part("body", pot.at(z=centre)), part("trim", cylinder(0.36, 0.1))]
    parts.append(part("trim", dome(0.38, 0.2).at(z=top - 0.06), ellipsoid(rng.uniform(0.09, 0.14)).at(z=top + 0.2)))
    reach = radius + rng.uniform(0.35, 0.5)
    spout = curve([(0.3, 0, 0.4 * top), (reach - 0.1, 0, 0.35 * top), (reach - 0.1, 0, 0.8 * top), (reach, 0, top)])
    parts.append(part("body", tube(spout, np.linspace(0.16, 0.09, len(spout)))))
    if chance(rng, 0.7):
        handle = _handle(0.38 * top, 0.075, 0.9 * radius, 0.52 * top, 1.0).turned("z", 90)
        parts.append(part("accent", handle))
    else:
        parts.append(part("accent", arch(0.42, 0.07, 0, 180).turned("z", 90).scaled(z=1.3).at(z=0.85 * top)))
    return Shape(parts, "teapot", "teapot")


def clock(rng: np.random.Generator) -> Shape:
    """A standing clock with hands on its face, on feet or a base, with bells or without."""
    radius, depth = 0.55, rng.uniform(0.3, 0.5)
    rounded = chance(rng, 0.6)
    case = disc(radius, depth, 32) if rounded else box(depth, 2 * radius, 2 * radius, 0.06).at(z=-radius)
    parts = [part("body", case), part("accent", disc(0.82 * radius, 0.08, 28).at(x=depth / 2))]
    hand = box(0.1, 0.09, rng.uniform(0.3, 0.38)).at(depth / 2 + 0.02, 0, -0.04)
    minute, hour = hand.turned("x", rng.uniform(0, 360)), hand.scaled(z=0.65).turned("x", rng.uniform(0, 360))
    parts.append(part("dark", minute, hour))
    foot = ellipsoid(0.12, 0.12, 0.14, 12).at(z=-0.95 * radius)
    feet = (foot.turned("x", 28), foot.turned("x", -28)) if rounded else (foot.at(y=0.35), foot.at(y=-0.35))
    parts.append(part("trim", *feet))
    if chance(rng, 0.5):
        bell = dome(0.24, 0.22).at(z=0.97 * radius)
        parts.append(part("trim", bell.turned("x", 32), bell.turned("x", -32)))
    if chance(rng, 0.4):
        parts.append(part("accent", box(0.1, 0.5, 0.6, 0.03).at(-depth / 2, 0, -0.3)))
    return Shape(parts, "clock", "clock")


def gift_box(rng: np.random.Generator) -> Shape:
    """A parcel with crossed ribbons, a bow and a tag on the front."""
    x, y, z = rng.uniform(0.7, 1.1, 3)
    lid, band = rng.uniform(0.15, 0.3), rng.uniform(0.14, 0.24)
    parts = [part("body", box(x, y, z, 0.02)), part("accent", box(x + 0.1, y + 0.1, lid, 0.02).at(z=z - 0.02))]
    top = z + lid - 0.02
    parts.append(part("trim", box(x + 0.16, band, top + 0.03).at(), box(band, y + 0.16, top + 0.03)))
    loop = torus(0.17, 0.07, 16, 8).scaled(y=0.8).turned("x", 90).at(x=0.2).turned("y", -25)
    turns = int(rng.integers(2, 5))
    parts.append(
        part("trim", *(s.at(z=top + 0.12) for s in around(loop, turns, first=45)), ellipsoid(0.12).at(z=top + 0.1))
    )
    if chance(rng, 0.6):
        parts.append(part("accent", disc(0.16, 0.14).at(x / 2 + 0.04, y * rng.choice([-0.28, 0.28]), 0.4 * z)))
    return Shape(parts, "gift box", "gift_box")


def flower_pot(rng: np.random.Generator) -> Shape:
    """A flower in a pot: a stalk, leaves, and petals around a heart turned to the front."""
    pot, height = rng.uniform(0.32, 0.42), rng.uniform(0.4, 0.6)
    stalk, petals = rng.uniform(0.6, 0.9), int(rng.integers(5, 9))
    parts: list[Part] = [part("body", cylinder(0.72 * pot, height, pot)), part("trim", torus(pot, 0.06).at(z=height))]
    parts.append(part("dark", cylinder(pot, 0.05).at(z=height - 0.04)))
    top = height + stalk
    leaf = ellipsoid(0.09, 0.26, 0.13, 14).at(y=0.24).turned("x", rng.uniform(15, 40)).at(z=height + 0.15)
    parts.append(part("leaf", cylinder(0.07, stalk + 0.1).at(z=height - 0.05), leaf, leaf.mirrored()))
    reach = rng.uniform(0.26, 0.34)
    petal = ellipsoid(0.1, 0.75 * reach * 5 / petals, 0.6 * reach, 14).at(z=reach)
    flower = [s.turned("y", 11).at(0.1, 0, top) for s in around(petal, petals, "x")]
    parts.append(part("accent", *flower))
    parts.append(part("trim", ellipsoid(0.14, 0.2, 0.2).at(0.16, 0, top)))
    return Shape(parts, "potted flower", "flower_pot")
