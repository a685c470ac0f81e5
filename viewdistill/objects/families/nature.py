"""Plants, food and figures of snow."""

import numpy as np

from viewdistill.objects.geometry.assembly import around, chance, either_side, eyes, part
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import box, capsule, cylinder, disc, dome, ellipsoid, lathe, torus, tube


def mushroom(rng: np.random.Generator) -> Shape:
    """A mushroom or a clump of two or three, with spots, a skirt, sometimes a face or door on the stalk."""
    parts: list[Part] = []
    count = int(rng.choice([1, 1, 2, 3]))
    for k in range(count):
        size = 1.0 if k == 0 else rng.uniform(0.45, 0.65)
        angle, away = np.radians(rng.uniform(100, 170) * (1 if k == 1 else -1)), 0.0 if k == 0 else 0.5
        x, y = away * np.cos(angle), away * np.sin(angle)
        foot, stalk = rng.uniform(0.16, 0.28) * size, rng.uniform(0.45, 0.8) * size
        cap, tall = rng.uniform(0.45, 0.62) * size, rng.uniform(0.25, 0.6) * size
        parts.append(part("trim", lathe([(1.2 * foot, 0.0), (foot, 0.4 * stalk), (0.85 * foot, stalk + 0.1)]).at(x, y)))
        rim = [(0.5 * cap, -0.05 * size), (cap, 0.0)]
        curve = [(cap * np.cos(a), tall * np.sin(a)) for a in np.linspace(0.15, np.pi / 2, 7)[:-1]]
        parts.append(part("body", lathe([*rim, *curve, (0.0, tall)]).at(x, y, stalk)))
        spots = [(cap * 0.75, tall * 0.62, azimuth) for azimuth in np.arange(3) * 120 + rng.uniform(-20, 20)]
        balls = [ellipsoid(0.12 * size, sides=12).at(r, 0, z).turned("z", a).at(x, y, stalk) for r, z, a in spots]
        parts.append(part("accent", *balls, ellipsoid(0.12 * size, sides=12).at(x, y, stalk + tall - 0.03)))
        if k == 0 and chance(rng, 0.5):
            parts.append(part("trim", torus(foot, 0.07).at(z=0.7 * stalk)))
        if k == 0 and chance(rng, 0.5):
            parts.append(part("dark", *eyes(0.06, 0.95 * foot, 0.45 * foot, 0.5 * stalk)))
        elif k == 0:
            parts.append(part("dark", box(0.12, foot, 0.5 * stalk, 0.03).at(1.05 * foot, 0, 0)))
    return Shape(parts, "mushroom" if count == 1 else "mushrooms", "mushroom")


def tree(rng: np.random.Generator) -> Shape:
    """A tree: a fir of stacked cones, or a crown of round clumps on branches, with fruit; a hollow in front."""
    trunk, height = rng.uniform(0.1, 0.17), rng.uniform(0.3, 0.6)
    parts = [part("wood", cylinder(1.3 * trunk, height + 0.4, 0.8 * trunk, 12))]
    leaf = str(rng.choice(["leaf", "leaf", "body"]))
    if chance(rng, 0.45):
        tiers, radius, z = int(rng.integers(2, 5)), rng.uniform(0.42, 0.58), height - 0.05
        reach, level = 0.78 * radius, z + 0.1
        for _ in range(tiers):
            tall = rng.uniform(0.4, 0.55)
            parts.append(part(leaf, cylinder(radius, tall, 0.12 * radius, int(rng.choice([6, 24]))).at(z=z)))
            z, radius = z + 0.62 * tall, 0.76 * radius
        parts.append(part("accent", ellipsoid(0.11, sides=12).at(z=z + 0.15)))
    else:
        clumps, spread = int(rng.integers(1, 6)), rng.uniform(0.2, 0.35)
        reach, middle = rng.uniform(0.36, 0.5), height + 0.5
        ball = ellipsoid(reach, z=rng.uniform(0.32, 0.5)).at(z=middle)
        side = [
            ellipsoid(rng.uniform(0.24, 0.34)).at(spread + 0.05, 0, middle + rng.uniform(-0.1, 0.2))
            for _ in range(clumps - 1)
        ]
        start = rng.uniform(0, 360)
        parts.append(part(leaf, ball, *(s.turned("z", start + 360 * k / len(side)) for k, s in enumerate(side))))
        level = middle
    if chance(rng, 0.5):
        fruit = ellipsoid(0.085, sides=12)
        angles = np.radians(rng.uniform(-100, 100, 4))
        parts.append(part("accent", *(fruit.at(reach * np.cos(a), reach * np.sin(a), level) for a in angles)))
    if chance(rng, 0.5):
        parts.append(part("dark", ellipsoid(0.07, 0.09, 0.11, 12).at(1.08 * trunk, 0, 0.45 * height)))
    if chance(rng, 0.4):
        parts.append(part("trim", cylinder(0.5, 0.1, 0.4)))
    return Shape(parts, "tree", "tree")


def cactus(rng: np.random.Generator) -> Shape:
    """A cactus with bent arms, in a pot or on a mound, sometimes flowering or with a face."""
    radius, height, base = rng.uniform(0.17, 0.24), rng.uniform(0.8, 1.2), rng.uniform(0.2, 0.35)
    parts: list[Part] = [part("leaf", capsule(radius, (0, 0, base), (0, 0, base + height - radius), 14))]
    for k in range(int(rng.integers(1, 4))):
        side = (-1) ** k
        level, reach = base + rng.uniform(0.3, 0.55) * height, radius + rng.uniform(0.17, 0.28)
        rise, arm = rng.uniform(0.25, 0.45), rng.uniform(0.085, 0.12)
        elbow = capsule(arm, (0, 0, level), (0, side * reach, level), 12)
        upper = capsule(arm, (0, side * reach, level), (0, side * reach, level + rise), 12)
        azimuth = rng.uniform(-25, 25) + (90 if k == 2 else 0)
        parts.append(part("leaf", elbow.turned("z", azimuth), upper.turned("z", azimuth)))
        if chance(rng, 0.4):
            parts.append(part("accent", ellipsoid(arm).at(0, side * reach, level + rise + arm).turned("z", azimuth)))
    if chance(rng, 0.6):
        parts.append(part("body", cylinder(0.3, base + 0.1, 0.4)))
        parts.append(part("trim", torus(0.4, 0.07).at(z=base + 0.08)))
    else:
        parts.append(part("body", dome(0.55, base + 0.05)))
    if chance(rng, 0.6):
        parts.append(
            part("accent", *around(ellipsoid(0.14, 0.09, 0.06, 12).at(0.1, 0, base + height), int(rng.integers(4, 7))))
        )
    if chance(rng, 0.4):
        parts.append(part("dark", *eyes(0.06, 0.9 * radius, 0.09, base + 0.65 * height)))
    return Shape(parts, "cactus", "cactus")


def snowman(rng: np.random.Generator) -> Shape:
    """A snowman of two or three balls: carrot nose, eyes, buttons; hat, scarf and arms come and go."""
    sizes = [rng.uniform(0.42, 0.52), rng.uniform(0.3, 0.38), rng.uniform(0.22, 0.28)]
    sizes = sizes if chance(rng, 0.65) else [sizes[0], sizes[2] + 0.06]
    z, balls = 0.0, []
    for radius in sizes:
        z += 0.85 * radius
        balls.append((radius, z))
        z += 0.8 * radius
    snow = str(rng.choice(["snow", "snow", "body"]))
    parts = [part(snow, *(ellipsoid(r, sides=24).at(z=height) for r, height in balls))]
    head, hz = balls[-1]
    nose = cylinder(0.075, rng.uniform(0.2, 0.4), 0.0, 10).turned("y", 92).at(0.9 * head, 0, hz)
    parts.append(part("accent", nose))
    buttons = [ellipsoid(0.055, sides=10).at(0.98 * balls[-2][0], 0, balls[-2][1] + k * 0.15) for k in (-0.5, 0.5)]
    parts.append(part("dark", *eyes(0.055, 0.87 * head, 0.42 * head, hz + 0.35 * head), *buttons))
    if chance(rng, 0.75):
        brim = cylinder(1.25 * head, 0.09).at(z=hz + 0.62 * head)
        crown = cylinder(0.8 * head, rng.uniform(0.2, 0.4), rng.uniform(0.5, 0.9) * head).at(z=hz + 0.62 * head)
        parts.append(part("body" if snow == "snow" else "trim", brim, crown))
    if chance(rng, 0.6):
        neck = hz - 0.72 * head
        end = box(0.1, 0.16, 0.34, 0.03).turned("x", 12).at(0.75 * balls[-2][0], -0.14, neck - 0.32)
        parts.append(part("trim", torus(0.8 * head, 0.085).at(z=neck), end))
    if chance(rng, 0.6):
        reach = balls[-2][0]
        arm = tube(
            [(0, 0.7 * reach, balls[-2][1]), (0.05, reach + 0.35, balls[-2][1] + rng.uniform(-0.1, 0.35))], 0.055
        )
        parts.append(part("wood", *either_side(arm)))
    return Shape(parts, "snowman", "snowman")


def cake(rng: np.random.Generator) -> Shape:
    """A cake of one to three tiers, round or square, with icing, candles or berries and a plaque on the front."""
    tiers, radius, z = int(rng.integers(1, 4)), rng.uniform(0.55, 0.7), 0.08
    square = chance(rng, 0.3)
    parts = [part("trim", cylinder(radius + 0.15, 0.1, sides=32))]
    front = radius
    for k in range(tiers):
        tall = rng.uniform(0.28, 0.45)
        tier = box(1.75 * radius, 1.75 * radius, tall, 0.03) if square else cylinder(radius, tall, sides=32)
        ring = box(1.8 * radius, 1.8 * radius, 0.12, 0.03) if square else torus(radius - 0.03, 0.07, 32).at(z=0.06)
        parts += [part("body", tier.at(z=z)), part("accent", ring.at(z=z + tall - 0.08))]
        if k == 0:
            front, plaque = (0.87 if square else 1.0) * radius, z + 0.4 * tall
            parts.append(part("trim", disc(0.15, 0.12).at(front, 0, plaque)))
        z, radius = z + tall, radius * rng.uniform(0.6, 0.75)
    count = int(rng.integers(1, 6))
    ring = 0.0 if count == 1 else 0.55 * radius
    if chance(rng, 0.5):
        candle = cylinder(0.06, 0.3, sides=10).at(ring, 0, z)
        flame = ellipsoid(0.055, z=0.09, sides=10).at(ring, 0, z + 0.36)
        parts += [part("white", *around(candle, count)), part("trim", *around(flame, count))]
    else:
        parts.append(part("trim", *around(ellipsoid(0.13).at(ring, 0, z + 0.08), count)))
    return Shape(parts, "cake", "cake")


def ice_cream(rng: np.random.Generator) -> Shape:
    """An ice cream: cone or cup, one to three scoops, wafer, cherry."""
    height, radius = rng.uniform(0.7, 1.0), rng.uniform(0.3, 0.38)
    cup = chance(rng, 0.3)
    cone = (
        cylinder(0.25, 0.5 * height, 1.1 * radius)
        if cup
        else lathe([(0.06, 0.0), (radius, height), (1.1 * radius, height), (1.1 * radius, height + 0.1)])
    )
    parts = [part("body" if cup else "wood", cone)]
    z, scoops = (0.5 * height if cup else height + 0.08), int(rng.integers(1, 4))
    for k in range(scoops):
        scoop = radius * (1.08 - 0.12 * k)
        slot = ("accent", "trim", "white")[k]
        parts.append(
            part(slot, ellipsoid(scoop).at(z=z + 0.5 * scoop), torus(0.85 * scoop, 0.09).at(z=z + 0.25 * scoop))
        )
        z += 1.15 * scoop
    if chance(rng, 0.6):
        parts.append(part("trim", ellipsoid(0.12).at(z=z + 0.12)))
    if chance(rng, 0.6):
        wafer = cylinder(0.075, 0.6, sides=10) if chance(rng, 0.5) else box(0.1, 0.26, 0.55)
        parts.append(
            part("wood", wafer.turned("x", 25 * float(rng.choice([-1.0, 1.0]))).turned("y", -20).at(-0.1, 0, z - 0.35))
        )
    parts.append(
        part("dark", *(ellipsoid(0.065, sides=10).at(0.95 * radius, y, z - 0.75 * radius) for y in (-0.1, 0.12)))
    )
    return Shape(parts, "ice cream", "ice_cream")
