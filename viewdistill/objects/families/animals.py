"""Animals, all looking towards +x."""

import numpy as np

from viewdistill.objects.geometry.assembly import chance, either_side, eyes, four_corners, part
from viewdistill.objects.geometry.extrusion import extruded_y, prism
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import capsule, curve, cylinder, disc, ellipsoid, torus, tube
from viewdistill.objects.geometry.solid import Solid


def _leg(radius: float, height: float) -> Solid:
    return cylinder(0.9 * radius, height + radius, radius, sides=14)


def _tail(length: float, rise: float, radius: float) -> Solid:
    """A tail from the origin backwards and up."""
    path = curve([(0, 0, 0), (-length, 0, 0), (-length, 0, rise)], 8)
    return tube(path, np.linspace(radius, 0.7 * radius, len(path)), 10)


def cat(rng: np.random.Generator) -> Shape:
    """A cat standing or sitting: pointed ears, round head, whiskered muzzle, long tail."""
    length, girth, legs = rng.uniform(0.45, 0.6), rng.uniform(0.2, 0.28), rng.uniform(0.25, 0.42)
    sitting = chance(rng, 0.4)
    tilt = rng.uniform(45, 60) if sitting else 0.0
    ahead, upward = length * np.cos(np.radians(tilt)), length * np.sin(np.radians(tilt))
    body = ellipsoid(length, girth, 1.05 * girth).turned("y", -tilt)
    middle = upward + 0.05 if sitting else legs + girth
    front, top = 0.9 * ahead, middle + 0.8 * upward
    head, hx, hz = rng.uniform(0.24, 0.32), front + 0.08, top + rng.uniform(0.16, 0.26)
    parts = [part("body", body.at(z=middle), ellipsoid(head, 1.1 * head, 0.95 * head).at(hx, 0, hz))]
    ear = cylinder(0.13, 0.24, 0.0, 8).turned("x", -18).at(hx - 0.02, 0.6 * head, hz + 0.65 * head)
    leg = _leg(0.085, legs)
    hind = ellipsoid(0.26, 0.16, 0.24).at(-0.5 * ahead, 0.75 * girth, 0.22)
    rear = hind if sitting else leg.at(-0.6 * length, 0.6 * girth)
    fore = _leg(0.085, middle - 0.1) if sitting else leg
    parts.append(part("body", *either_side(ear), *either_side(rear), *either_side(fore.at(0.75 * front, 0.55 * girth))))
    start = (-0.8 * ahead, 0.0, 0.14 if sitting else middle + 0.05)
    parts.append(part("trim", _tail(rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.7), 0.08).at(*start)))
    parts.append(part("accent", ellipsoid(0.1, 0.15, 0.1).at(hx + 0.85 * head, 0, hz - 0.35 * head)))
    parts.append(part("dark", *eyes(0.065, hx + 0.8 * head, 0.45 * head, hz + 0.15 * head)))
    if chance(rng, 0.4):
        parts.append(part("trim", torus(0.2, 0.06).turned("y", 30).at(hx - 0.08, 0, hz - 0.85 * head)))
    return Shape(parts, "cat", "cat")


def dog(rng: np.random.Generator) -> Shape:
    """A dog standing: long muzzle with a dark nose, hanging or upright ears, a raised tail, often a collar."""
    length, girth, legs = rng.uniform(0.42, 0.65), rng.uniform(0.2, 0.28), rng.uniform(0.25, 0.5)
    middle, head = legs + girth, rng.uniform(0.22, 0.28)
    hx, hz = length + rng.uniform(0.0, 0.12), middle + rng.uniform(0.3, 0.42)
    body = capsule(girth, (-length + girth, 0, middle), (length - girth, 0, middle))
    neck = capsule(0.15, (length - girth, 0, middle + 0.05), (hx, 0, hz))
    parts = [part("body", body, neck, ellipsoid(head).at(hx, 0, hz))]
    parts.append(part("body", *four_corners(_leg(0.095, legs), length - 0.14, 0.6 * girth)))
    muzzle = rng.uniform(0.2, 0.34)
    parts.append(part("trim", ellipsoid(muzzle, 0.14, 0.12).at(hx + 0.8 * head, 0, hz - 0.07)))
    nose = ellipsoid(0.075, sides=12).at(hx + 0.8 * head + 0.9 * muzzle, 0, hz - 0.02)
    parts.append(part("dark", nose, *eyes(0.06, hx + 0.82 * head, 0.42 * head, hz + 0.3 * head)))
    if chance(rng, 0.6):
        ear = ellipsoid(0.12, 0.07, 0.24).turned("x", 12).at(hx - 0.05, 0.95 * head, hz - 0.05)
    else:
        ear = cylinder(0.11, 0.26, 0.0, 8).at(hx - 0.05, 0.6 * head, hz + 0.6 * head)
    parts.append(part("accent", *either_side(ear)))
    parts.append(
        part("accent", _tail(rng.uniform(0.15, 0.3), rng.uniform(0.2, 0.4), 0.075).at(-0.9 * length, 0, middle + 0.08))
    )
    if chance(rng, 0.6):
        parts.append(part("trim", torus(0.16, 0.055).turned("y", 30).at(hx - 0.1, 0, 0.6 * hz + 0.4 * middle)))
    return Shape(parts, "dog", "dog")


def pig(rng: np.random.Generator) -> Shape:
    """A round pig: disc snout with nostrils, folded ears, short legs, a curl of a tail."""
    length, girth, legs = rng.uniform(0.45, 0.58), rng.uniform(0.32, 0.42), rng.uniform(0.15, 0.28)
    middle, head = legs + 0.9 * girth, rng.uniform(0.26, 0.33)
    hx, hz = length + 0.02, middle + rng.uniform(0.05, 0.2)
    parts = [part("body", ellipsoid(length, girth, girth).at(z=middle), ellipsoid(head).at(hx, 0, hz))]
    parts.append(part("body", *four_corners(_leg(0.12, legs), 0.55 * length, 0.5 * girth)))
    snout = hx + head + 0.02
    parts.append(part("accent", disc(0.15, 0.2).at(snout, 0, hz - 0.05)))
    parts.append(
        part(
            "dark",
            *eyes(0.05, snout + 0.09, 0.06, hz - 0.05),
            *eyes(0.06, hx + 0.78 * head, 0.5 * head, hz + 0.4 * head),
        )
    )
    ear = cylinder(0.15, 0.24, 0.0, 6).scaled(x=0.6).turned("y", rng.uniform(0, 35)).turned("x", -25)
    parts.append(part("accent", *either_side(ear.at(hx, 0.55 * head, hz + 0.7 * head))))
    parts.append(part("accent", torus(0.1, 0.05, 14, 8).turned("x", 90).at(-length - 0.05, 0, middle + 0.1)))
    if chance(rng, 0.3):
        parts.append(
            part(
                "trim",
                cylinder(0.06, 0.1).at(0, 0, middle + 0.92 * girth),
                torus(0.5 * girth, 0.07).at(z=middle + 0.8 * girth),
            )
        )
    return Shape(parts, "pig", "pig")


def elephant(rng: np.random.Generator) -> Shape:
    """An elephant: trunk, broad ears, thick legs, with or without tusks and a saddle blanket."""
    length, girth, legs = rng.uniform(0.45, 0.58), rng.uniform(0.34, 0.42), rng.uniform(0.3, 0.42)
    middle, head = legs + 0.85 * girth, rng.uniform(0.26, 0.32)
    hx, hz = length + 0.08, middle + rng.uniform(0.12, 0.25)
    parts = [part("body", ellipsoid(length, girth, girth).at(z=middle), ellipsoid(head).at(hx, 0, hz))]
    parts.append(part("body", *four_corners(_leg(0.14, legs), 0.58 * length, 0.52 * girth)))
    reach, curl = rng.uniform(0.3, 0.45), rng.uniform(-0.1, 0.35)
    drop = hz - rng.uniform(0.35, 0.5)
    tip = (hx + head + reach + curl, 0, drop + 0.8 * curl)
    trunk = curve([(hx + 0.5 * head, 0, hz), (hx + head + 0.2, 0, hz), (hx + head + 0.1, 0, drop), tip], 12)
    parts.append(part("body", tube(trunk, np.linspace(0.14, 0.08, len(trunk)))))
    ear = ellipsoid(0.08, 0.26, rng.uniform(0.24, 0.34)).turned("z", 25).at(hx - 0.1, head + 0.12, hz)
    parts.append(part("accent", *either_side(ear)))
    parts.append(part("dark", *eyes(0.055, hx + 0.75 * head, 0.6 * head, hz + 0.25 * head)))
    if chance(rng, 0.6):
        tusk = capsule(0.055, (hx + 0.7 * head, 0.6 * head, hz - 0.12), (hx + head + 0.2, 0.7 * head, hz - 0.22), 12)
        parts.append(part("white", *either_side(tusk)))
    if chance(rng, 0.5):
        blanket = ellipsoid(0.25, girth + 0.05, girth + 0.05).at(-0.05, 0, middle + 0.03)
        parts.append(part("trim", blanket))
    parts.append(part("accent", _tail(0.15, -0.3, 0.06).at(-0.95 * length, 0, middle + 0.1)))
    return Shape(parts, "elephant", "elephant")


def bird(rng: np.random.Generator) -> Shape:
    """A small bird on two legs: beak, wings folded or spread, fan tail, sometimes a crest."""
    length, girth, legs = rng.uniform(0.4, 0.52), rng.uniform(0.26, 0.36), rng.uniform(0.12, 0.3)
    middle, head = legs + girth, rng.uniform(0.2, 0.27)
    hx, hz = 0.7 * length, middle + rng.uniform(0.3, 0.4)
    body = ellipsoid(length, girth, girth).turned("y", -rng.uniform(5, 35))
    parts = [part("body", body.at(z=middle), ellipsoid(head).at(hx, 0, hz))]
    parts.append(part("accent", ellipsoid(0.24, 0.8 * girth, 0.8 * girth).at(0.55 * length, 0, middle - 0.02)))
    beak = (
        cylinder(0.09, rng.uniform(0.2, 0.34), 0.0, 10).turned("y", 90 + rng.uniform(0, 15)).at(hx + 0.85 * head, 0, hz)
    )
    shank = cylinder(0.05, legs + 0.1, sides=10).at(0.05, 0.4 * girth)
    foot = ellipsoid(0.13, 0.09, 0.05, 12).at(0.12, 0.4 * girth, 0.05)
    parts.append(part("trim", beak, *either_side(shank), *either_side(foot)))
    wing = ellipsoid(0.34, 0.08, 0.2).turned("y", -15)
    wing = (
        wing.turned("x", rng.uniform(-70, -40)).at(-0.1, girth + 0.08, middle + 0.17)
        if chance(rng, 0.4)
        else wing.at(-0.12, girth, middle + 0.05)
    )
    fan = prism([(0.0, -0.08), (0.0, 0.08), (-0.4, 0.2), (-0.4, -0.2)], 0.1).turned("y", rng.uniform(-10, 30))
    parts.append(part("accent", *either_side(wing), fan.at(-0.75 * length, 0, middle - 0.08)))
    parts.append(part("dark", *eyes(0.055, hx + 0.7 * head, 0.6 * head, hz + 0.2 * head)))
    if chance(rng, 0.4):
        crest = extruded_y([(0.1, 0.0), (-0.18, 0.0), (-0.2, 0.28)], 0.09).at(hx, 0, hz + 0.8 * head)
        parts.append(part("trim", crest))
    return Shape(parts, "bird", "bird")


def duck(rng: np.random.Generator) -> Shape:
    """A swimming duck: boat-shaped body, flat bill, upturned tail, wings at its sides."""
    length, girth = rng.uniform(0.5, 0.6), rng.uniform(0.32, 0.4)
    neck, head = rng.uniform(0.45, 0.65), rng.uniform(0.2, 0.28)
    hx, hz = 0.55 * length, girth + neck
    body = ellipsoid(length, girth, 0.8 * girth).at(z=0.75 * girth)
    tail = cylinder(0.2, 0.4, 0.04).turned("y", -rng.uniform(50, 70)).at(-0.65 * length, 0, 0.95 * girth)
    parts = [part("body", body, tail, capsule(0.15, (0.5 * length, 0, girth), (hx, 0, hz)))]
    parts.append(part(str(rng.choice(["body", "accent"])), ellipsoid(head).at(hx, 0, hz)))
    bill = ellipsoid(rng.uniform(0.17, 0.25), 0.14, 0.06).at(hx + head + 0.05, 0, hz - 0.06)
    parts.append(part("trim", bill))
    wing = ellipsoid(0.32, 0.08, 0.18).turned("y", 12).at(-0.08, girth - 0.03, 0.95 * girth)
    parts.append(part("accent", *either_side(wing)))
    parts.append(part("dark", *eyes(0.055, hx + 0.65 * head, 0.65 * head, hz + 0.25 * head)))
    if chance(rng, 0.35):
        parts.append(part("trim", torus(0.17, 0.06).at(0.53 * length, 0, girth + 0.4 * neck)))
    return Shape(parts, "duck", "duck")


def penguin(rng: np.random.Generator) -> Shape:
    """An upright penguin: pale belly in front, flippers, beak and feet, sometimes a scarf or hat."""
    girth, height = rng.uniform(0.34, 0.45), rng.uniform(0.5, 0.65)
    head = rng.uniform(0.24, 0.3)
    hz = 1.85 * height + 0.3 * head
    parts = [part("body", ellipsoid(0.9 * girth, girth, height).at(z=height + 0.04), ellipsoid(head).at(0.02, 0, hz))]
    parts.append(part("white", ellipsoid(0.5 * girth, 0.75 * girth, 0.78 * height).at(0.47 * girth, 0, 0.95 * height)))
    flipper = ellipsoid(0.15, 0.07, 0.36).turned("x", rng.uniform(10, 50)).at(0, girth + 0.08, 1.1 * height)
    parts.append(part("body", *either_side(flipper)))
    foot = ellipsoid(0.2, 0.14, 0.07).at(0.25, 0.2, 0.06)
    beak = cylinder(0.09, 0.26, 0.0, 10).turned("y", 95).at(0.8 * head, 0, hz - 0.03)
    parts.append(part("accent", beak, *either_side(foot)))
    parts.append(part("dark", *eyes(0.06, 0.78 * head, 0.5 * head, hz + 0.3 * head)))
    if chance(rng, 0.5):
        parts.append(part("trim", torus(0.8 * head, 0.09).at(0.02, 0, 1.85 * height - 0.5 * head)))
    if chance(rng, 0.4):
        hat = cylinder(0.85 * head, rng.uniform(0.2, 0.4), rng.choice([0.0, 0.7]) * head).at(0, 0, hz + 0.6 * head)
        parts.append(part("trim", hat))
    return Shape(parts, "penguin", "penguin")


def fish(rng: np.random.Generator) -> Shape:
    """A plump fish: tail fin, back fin, side fins, eyes and lips at the front."""
    length, girth, tall = rng.uniform(0.5, 0.65), rng.uniform(0.22, 0.34), rng.uniform(0.28, 0.42)
    parts: list[Part] = [part("body", ellipsoid(length, girth, tall))]
    spread, notch = rng.uniform(0.25, 0.4), rng.uniform(0.1, 0.25)
    tail = extruded_y([(0.1, 0.0), (-0.35, spread), (-0.35 + notch, 0.0), (-0.35, -spread)], 0.1).at(-length)
    back = extruded_y([(0.25, 0.0), (-0.3, 0.0), (rng.uniform(-0.4, -0.1), rng.uniform(0.25, 0.4))], 0.1).at(
        z=0.85 * tall
    )
    side = ellipsoid(0.18, 0.05, 0.1, 14).turned("z", 35).turned("x", 20).at(0.05, girth + 0.03, -0.08)
    parts.append(part("accent", tail, back, *either_side(side)))
    if chance(rng, 0.5):
        belly = extruded_y([(0.1, 0.0), (-0.2, 0.0), (-0.25, -0.25)], 0.1).at(z=-0.85 * tall)
        parts.append(part("accent", belly))
    parts.append(part("trim", ellipsoid(0.07, 0.11, 0.05, 12).at(length - 0.02, 0, 0.0)))
    parts.append(part("white", *eyes(0.1, 0.62 * length, 0.72 * girth, 0.3 * tall)))
    parts.append(part("dark", *eyes(0.065, 0.62 * length + 0.04, 0.72 * girth + 0.05, 0.3 * tall)))
    if chance(rng, 0.5):
        band = ellipsoid(0.1, girth + 0.03, tall + 0.03)
        parts.append(part("trim", band.at(rng.uniform(-0.1, 0.15))))
    return Shape(parts, "fish", "fish")


def turtle(rng: np.random.Generator) -> Shape:
    """A turtle: domed shell with a rim, flat belly, four flippers, head and tail."""
    x, y, tall = rng.uniform(0.45, 0.6), rng.uniform(0.4, 0.5), rng.uniform(0.28, 0.45)
    head, reach = rng.uniform(0.17, 0.22), rng.uniform(0.15, 0.3)
    shell = ellipsoid(1.0, sides=int(rng.choice([8, 12, 24]))).scaled(x, y, tall).at(z=0.2)
    parts = [part("body", shell), part("trim", torus(1.0, 0.12, 28, 8).scaled(x, y, 0.6).at(z=0.2))]
    leg = ellipsoid(0.2, 0.11, 0.11).turned("z", 35).at(0.75 * x, 0.85 * y, 0.12)
    hind = ellipsoid(0.16, 0.11, 0.11).turned("z", -35).at(-0.75 * x, 0.8 * y, 0.11)
    hx, hz = x + reach, rng.uniform(0.28, 0.45)
    neck = capsule(0.11, (0.7 * x, 0, 0.2), (hx, 0, hz))
    tail = cylinder(0.09, 0.3, 0.0, 10).turned("y", -95).at(-0.95 * x, 0, 0.15)
    parts.append(
        part(
            "skin",
            *either_side(leg),
            *either_side(hind),
            neck,
            tail,
            ellipsoid(head, 0.9 * head, 0.9 * head).at(hx, 0, hz),
        )
    )
    parts.append(part("dark", *eyes(0.05, hx + 0.7 * head, 0.6 * head, hz + 0.25 * head)))
    return Shape(parts, "turtle", "turtle")
