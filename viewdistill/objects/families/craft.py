"""Craft that sail, dive or fly towards +x."""

import numpy as np

from viewdistill.objects.geometry.assembly import around, chance, either_side, part, wheels
from viewdistill.objects.geometry.extrusion import extruded_y, prism
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import box, capsule, cylinder, disc, ellipsoid, lathe
from viewdistill.objects.geometry.solid import Solid


def _hull(length: float, width: float, depth: float) -> Solid:
    """A boat's hull: pointed bow, flat stern, narrower at the keel."""
    bow, half = length / 2, width / 2
    outline = np.array([(-bow, 0.8 * half), (0.1 * bow, half), (0.6 * bow, 0.65 * half), (bow, 0.05)])
    ring = np.concatenate([outline, outline[::-1] * [1, -1]])
    deck = prism(ring, depth)
    shrink = np.where(deck.vertices[:, 2:] > 0, 1.0, [[0.8, 0.6]])
    return Solid(np.concatenate([deck.vertices[:, :2] * shrink, deck.vertices[:, 2:]], 1), deck.faces)


def boat(rng: np.random.Generator) -> Shape:
    """A boat: hull and deck, with a sail, a cabin, or a steamer's funnels."""
    length, width, depth = rng.uniform(1.2, 1.6), rng.uniform(0.5, 0.7), rng.uniform(0.25, 0.4)
    parts = [
        part("body", _hull(length, width, depth)),
        part("trim", _hull(1.04 * length, 1.08 * width, 0.09).at(z=depth - 0.04)),
    ]
    kind = rng.integers(3)
    if kind == 0:
        mast, step = rng.uniform(0.9, 1.3), rng.uniform(0.0, 0.15)
        parts.append(part("dark", cylinder(0.06, mast, sides=12).at(step, 0, depth - 0.05)))
        main = extruded_y([(-0.02, 0.18), (-0.02, mast - 0.05), (-0.55 * length + 0.1, 0.18)], 0.09)
        jib = extruded_y([(0.06, 0.18), (0.06, 0.8 * mast), (0.36 * length, 0.18)], 0.09)
        parts.append(part("white", main.at(step, 0, depth)))
        if chance(rng, 0.6):
            parts.append(part("accent", jib.at(step, 0, depth)))
    else:
        cabin, tall = rng.uniform(0.35, 0.6), rng.uniform(0.25, 0.4)
        back = -0.1 * length if kind == 1 else -0.15 * length
        parts.append(part("accent", box(cabin, 0.62 * width, tall, 0.03, 0.9).at(back, 0, depth)))
        parts.append(part("glass", box(0.1, 0.45 * width, 0.15).at(back + 0.48 * cabin, 0, depth + 0.45 * tall)))
        funnels = int(rng.integers(1, 3))
        for k in range(funnels):
            x = back + 0.24 * (k - (funnels - 1) / 2)
            parts.append(part("body", cylinder(0.09, 0.32).at(x, 0, depth + tall - 0.05)))
            parts.append(part("dark", cylinder(0.1, 0.1).at(x, 0, depth + tall + 0.22)))
    if chance(rng, 0.5):
        parts.append(
            part(
                "white",
                *(
                    disc(0.075, 0.1).turned("z", 90).at(x, s * 0.42 * width, 0.6 * depth)
                    for x in (-0.3, -0.05)
                    for s in (-1, 1)
                ),
            )
        )
    if chance(rng, 0.4):
        parts.append(part("dark", box(0.1, 0.12, 0.35).at(-length / 2 - 0.04, 0, 0.02)))
    return Shape(parts, "boat", "boat")


def _wing(root: float, tip: float, span: float, sweep: float, thickness: float) -> Solid:
    """Both wings as one plate: chords at root and tip, half span, and how far the tip lies behind the root."""
    half = [(root / 2, 0.0), (tip / 2 - sweep, span), (-tip / 2 - sweep, span), (-root / 2, 0.0)]
    other = [(x, -y) for x, y in half[::-1]][1:-1]
    return prism([*half, *other], thickness).at(z=-thickness / 2)


def plane(rng: np.random.Generator) -> Shape:
    """An aeroplane: one or two wings, tail, cockpit, propeller or jets, sometimes wheels."""
    radius, half = rng.uniform(0.14, 0.2), rng.uniform(0.6, 0.75)
    profile = [
        (0.0, -half),
        (0.45 * radius, -half),
        (radius, -0.1 * half),
        (radius, 0.6 * half),
        (0.6 * radius, 0.95 * half),
        (0.0, half),
    ]
    parts = [part("body", lathe(profile, 20).turned("y", 90))]
    span, chord = rng.uniform(0.65, 0.85), rng.uniform(0.28, 0.4)
    sweep, level = rng.uniform(0.0, 0.35), rng.choice([-0.5, 0.0, 0.6]) * radius
    wing = _wing(chord, chord * rng.uniform(0.5, 1.0), span, sweep, 0.08).at(x=0.1)
    parts.append(part("accent", wing.at(z=level)))
    if chance(rng, 0.3):
        struts = either_side(box(0.08, 0.08, 0.42).at(0.1 - 0.5 * sweep, 0.5 * span, level))
        parts.append(part("accent", wing.at(z=level + 0.4), *struts))
    parts.append(part("accent", _wing(0.24, 0.16, 0.34, 0.1, 0.07).at(-0.85 * half, 0, 0.05)))
    parts.append(
        part(
            "trim", extruded_y([(0.2, 0.0), (-0.1, 0.0), (-0.18, 0.36), (-0.02, 0.36)], 0.08).at(-0.85 * half, 0, 0.04)
        )
    )
    parts.append(part("glass", ellipsoid(0.2, 0.7 * radius, 0.14).at(0.4 * half, 0, 0.85 * radius)))
    if chance(rng, 0.6):
        blades = around(box(0.07, 0.11, 0.62).at(z=-0.31), int(rng.integers(1, 3)), "x", rng.uniform(0, 90))
        blades = blades if len(blades) == 1 else [blades[0], blades[0].turned("x", 90)]
        parts.append(part("dark", *(b.at(half - 0.02) for b in blades)))
        parts.append(part("trim", cylinder(0.1, 0.2, 0.02).turned("y", 90).at(half - 0.03)))
    else:
        engine = capsule(0.085, (-0.05, 0.45 * span, level - 0.11), (0.25, 0.45 * span, level - 0.11))
        parts.append(part("trim", *either_side(engine)))
    if chance(rng, 0.5):
        gear = box(0.07, 0.07, 0.16).at(0.15, 0.12, -radius - 0.1)
        parts.append(
            part("dark", *either_side(gear), *(w.at(z=-radius - 0.2) for w in wheels(0.09, 0.09, [0.15], 0.13)))
        )
    return Shape(parts, "aeroplane", "plane")


def rocket(rng: np.random.Generator) -> Shape:
    """A rocket standing on fins: nose cone, porthole and door on the front, sometimes boosters."""
    radius, height, nose = rng.uniform(0.22, 0.34), rng.uniform(0.8, 1.2), rng.uniform(0.3, 0.55)
    belly = radius * rng.uniform(1.0, 1.25)
    profile = [
        (0.0, 0.15),
        (0.75 * radius, 0.15),
        (belly, 0.15 + 0.4 * height),
        (radius, 0.15 + height),
        (0.0, 0.15 + height),
    ]
    parts = [part("body", lathe(profile)), part("dark", cylinder(0.7 * radius, 0.2, 0.4 * radius).at(z=0.02))]
    tip = (
        [(radius * np.cos(a), nose * np.sin(a)) for a in np.linspace(0, np.pi / 2, 7)[:-1]]
        if chance(rng, 0.5)
        else [(radius, 0.0)]
    )
    parts.append(part("accent", lathe([*tip, (0.0, nose)]).at(z=0.13 + height)))
    count, reach = int(rng.integers(3, 6)), rng.uniform(0.25, 0.4)
    fin = extruded_y(
        [(0.5 * radius, 0.2), (radius + reach, 0.0), (radius + reach, 0.2), (0.9 * radius, 0.35 + 0.3 * height)], 0.1
    )
    parts.append(part("accent", *around(fin, count, first=180.0 / count)))
    level = 0.15 + rng.uniform(0.6, 0.75) * height
    at_level = float(np.interp(level, [0.15 + 0.4 * height, 0.15 + height], [belly, radius]))
    parts.append(part("glass", disc(0.12, 0.16).at(at_level - 0.02, 0, level)))
    parts.append(part("trim", disc(0.17, 0.12).at(at_level - 0.03, 0, level)))
    if chance(rng, 0.5):
        parts.append(part("dark", box(0.14, 0.22, 0.3, 0.02).at(0.93 * belly, 0, 0.25)))
    if chance(rng, 0.3):
        booster = capsule(0.11, (0, belly + 0.08, 0.2), (0, belly + 0.08, 0.2 + 0.5 * height))
        parts.append(part("trim", *either_side(booster)))
    return Shape(parts, "rocket", "rocket")


def submarine(rng: np.random.Generator) -> Shape:
    """A submarine: long hull, tower with periscope, portholes, tail fins and a screw."""
    radius, half = rng.uniform(0.24, 0.34), rng.uniform(0.55, 0.75)
    parts: list[Part] = [
        part(
            "body",
            ellipsoid(half, radius, radius, 24)
            if chance(rng, 0.5)
            else capsule(radius, (-half + radius, 0, 0), (half - radius, 0, 0), 24),
        )
    ]
    x, tall = rng.uniform(-0.1, 0.2), rng.uniform(0.2, 0.35)
    parts.append(part("accent", cylinder(0.2, tall, 0.17).scaled(x=1.3, y=0.8).at(x, 0, 0.85 * radius)))
    if chance(rng, 0.7):
        top = 0.85 * radius + tall
        parts.append(
            part(
                "trim",
                cylinder(0.06, 0.25, sides=12).at(x, 0, top - 0.05),
                box(0.2, 0.11, 0.11, 0.02).at(x + 0.06, 0, top + 0.15),
            )
        )
    holes = np.linspace(-0.25, 0.35, int(rng.integers(2, 4)))
    side = [
        disc(0.085, 0.12).turned("z", s * 90).at(h, s * radius * np.sqrt(1 - min(h / half, 0.9) ** 2) * 0.93, 0.02)
        for h in holes
        for s in (-1, 1)
    ]
    parts.append(part("glass", *side, disc(0.12, 0.12).at(half - 0.03)))
    parts.append(
        part(
            "trim",
            _wing(0.22, 0.15, radius + 0.14, 0.05, 0.08).at(-0.8 * half),
            _wing(0.22, 0.15, radius + 0.14, 0.05, 0.08).turned("x", 90).at(-0.8 * half),
        )
    )
    blades = around(box(0.07, 0.12, 0.26), int(rng.integers(2, 5)), "x")
    parts.append(part("dark", *(b.at(-half - 0.08) for b in blades), ellipsoid(0.12, 0.08, 0.08, 12).at(-half - 0.04)))
    return Shape(parts, "submarine", "submarine")
