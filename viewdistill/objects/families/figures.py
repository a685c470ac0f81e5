"""Toys and figures, facing +x."""

import numpy as np

from viewdistill.objects.geometry.assembly import chance, either_side, eyes, part
from viewdistill.objects.geometry.extrusion import prism
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import box, capsule, cylinder, disc, dome, ellipsoid, wheel
from viewdistill.objects.geometry.solid import Solid


def _robot_legs(rng: np.random.Generator, height: float, spread: float) -> list[Part]:
    kind = rng.integers(3)
    if kind == 0:
        leg = cylinder(0.1, height, sides=14).at(y=spread)
        foot = box(0.36, 0.22, 0.12, 0.03).at(0.06, spread)
        return [part("trim", *either_side(leg)), part("dark", *either_side(foot))]
    if kind == 1:
        return [
            part("dark", *either_side(box(0.6, 0.18, 0.8 * height, 0.08).at(0, spread))),
            part("trim", box(0.3, 2 * spread, 0.3).at(z=height - 0.3)),
        ]
    return [
        part("dark", wheel(0.5 * height + 0.06, 0.24).at(z=0.5 * height + 0.06)),
        part("trim", box(0.2, 0.36, 0.15).at(z=height - 0.12)),
    ]


def robot(rng: np.random.Generator) -> Shape:
    """A robot: box or barrel trunk, head of three kinds, arms, legs, tracks or a wheel, aerials, a chest panel."""
    depth, width, tall, legs = (
        rng.uniform(0.36, 0.5),
        rng.uniform(0.5, 0.72),
        rng.uniform(0.5, 0.7),
        rng.uniform(0.3, 0.5),
    )
    barrel = chance(rng, 0.35)
    trunk = (
        cylinder(0.5, tall).scaled(depth, width) if barrel else box(depth, width, tall, 0.04, rng.uniform(0.8, 1.15))
    )
    parts = [*_robot_legs(rng, legs, 0.27 * width), part("body", trunk.at(z=legs))]
    neck, head = legs + tall, rng.uniform(0.17, 0.24)
    shape = rng.integers(3)
    skull: Solid = [box(2 * head, 2.4 * head, 2 * head, 0.04), cylinder(head, 1.8 * head), dome(1.15 * head, 2 * head)][
        shape
    ]
    parts += [part("trim", cylinder(0.1, 0.14).at(z=neck - 0.03)), part("accent", skull.at(z=neck + 0.08))]
    level = neck + 0.08 + 1.1 * head
    if chance(rng, 0.6):
        parts.append(part("dark", *eyes(0.075, (0.88 if shape == 1 else 0.98) * head, 0.5 * head, level)))
    else:
        parts.append(part("dark", box(0.14, 1.3 * head, 0.14, 0.03).at(0.93 * head, 0, level - 0.05)))
    arm, drop = rng.uniform(0.07, 0.1), np.radians(rng.uniform(-75, 40))
    shoulder, side = legs + 0.82 * tall, width / 2 + 0.07
    forward = rng.uniform(0.0, 0.3)
    hand = (forward, side + 0.42 * np.cos(drop) * 0.5, shoulder + 0.45 * np.sin(drop))
    parts.append(part("trim", *either_side(capsule(arm, (0, side - 0.1, shoulder), hand, 12))))
    parts.append(part("dark", *either_side(ellipsoid(1.45 * arm, sides=14).at(*hand))))
    if chance(rng, 0.6):
        parts.append(part("accent", box(0.1, 0.55 * width, 0.45 * tall).at(depth / 2, 0, legs + 0.3 * tall)))
        parts.append(part("dark", *eyes(0.055, depth / 2 + 0.06, 0.13 * width, legs + 0.5 * tall)))
    if chance(rng, 0.6):
        twin, top = chance(rng, 0.4), neck + 0.06 + 1.9 * head
        rod, bulb = cylinder(0.055, 0.2, sides=10).at(z=top), ellipsoid(0.09, sides=12).at(z=top + 0.22)
        places = (-0.6 * head, 0.6 * head) if twin else (0.0,)
        parts += [part("trim", *(rod.at(y=p) for p in places)), part("accent", *(bulb.at(y=p) for p in places))]
    if chance(rng, 0.4):
        parts.append(part("trim", box(0.18, 0.6 * width, 0.6 * tall, 0.03).at(-depth / 2 - 0.04, 0, legs + 0.2 * tall)))
    return Shape(parts, "robot", "robot")


def teddy_bear(rng: np.random.Generator) -> Shape:
    """A sitting or standing teddy bear: round ears, muzzle, pale belly, bow or waistcoat button."""
    girth, tall, head = rng.uniform(0.3, 0.4), rng.uniform(0.36, 0.46), rng.uniform(0.27, 0.34)
    sitting = chance(rng, 0.5)
    base = tall if sitting else tall + 0.2
    hz = base + 0.75 * tall + 0.65 * head
    parts = [
        part("body", ellipsoid(0.9 * girth, girth, tall).at(z=base), ellipsoid(head, 1.08 * head, head).at(0.03, 0, hz))
    ]
    ear = ellipsoid(0.08, 0.13, 0.13, 14).at(0, 0.75 * head, hz + 0.78 * head)
    arm = capsule(
        0.11,
        (0, 0.8 * girth, base + 0.45 * tall),
        (rng.uniform(0, 0.3), girth + 0.2, base + rng.uniform(-0.1, 0.5)),
        12,
    )
    leg = (
        capsule(0.14, (0.1, 0.6 * girth, 0.14), (0.45, 0.8 * girth, 0.14), 12)
        if sitting
        else capsule(0.15, (0, 0.5 * girth, 0.14), (0, 0.5 * girth, 0.5), 12)
    )
    parts.append(part("body", *either_side(ear), *either_side(arm), *either_side(leg)))
    sole = (
        disc(0.12, 0.1).at(0.56, 0.82 * girth, 0.14)
        if sitting
        else ellipsoid(0.17, 0.13, 0.07).at(0.12, 0.5 * girth, 0.07)
    )
    parts.append(
        part(
            "accent",
            ellipsoid(0.5 * girth, 0.68 * girth, 0.7 * tall).at(0.5 * girth, 0, 0.95 * base),
            *either_side(sole),
        )
    )
    parts.append(part("accent", ellipsoid(0.13, 0.16, 0.12).at(0.9 * head, 0, hz - 0.25 * head)))
    nose = ellipsoid(0.06, 0.075, 0.05, 12).at(0.9 * head + 0.12, 0, hz - 0.15 * head)
    parts.append(part("dark", nose, *eyes(0.055, 0.88 * head + 0.02, 0.42 * head, hz + 0.2 * head)))
    if chance(rng, 0.6):
        bow = ellipsoid(0.08, 0.15, 0.11, 14).at(0.6 * girth, 0.13, hz - 0.85 * head)
        parts.append(part("trim", *either_side(bow), ellipsoid(0.07, sides=12).at(0.65 * girth, 0, hz - 0.85 * head)))
    return Shape(parts, "teddy bear", "teddy_bear")


def doll(rng: np.random.Generator) -> Shape:
    """A small person: skirt or trousers, arms, hair behind, a hat of one of four kinds."""
    head, chest, hips = rng.uniform(0.22, 0.28), rng.uniform(0.2, 0.26), rng.uniform(0.5, 0.65)
    shoulder = hips + rng.uniform(0.35, 0.45)
    hz = shoulder + 0.85 * head
    parts: list[Part] = [part("skin", ellipsoid(head).at(z=hz), cylinder(0.09, 0.2).at(z=shoulder - 0.08))]
    if chance(rng, 0.5):
        parts.append(
            part(
                "body",
                cylinder(rng.uniform(0.3, 0.42), hips - 0.08, 0.17).at(z=0.1),
                cylinder(0.2, shoulder - hips + 0.1, chest).at(z=hips - 0.1),
            )
        )
        parts.append(part("dark", *either_side(box(0.26, 0.16, 0.12, 0.03).at(0.05, 0.12))))
    else:
        parts.append(part("trim", *either_side(cylinder(0.12, hips, 0.14, 14).at(y=0.13))))
        parts.append(part("body", cylinder(0.24, shoulder - hips + 0.08, chest).scaled(x=0.8).at(z=hips - 0.06)))
        parts.append(part("dark", *either_side(box(0.32, 0.2, 0.13, 0.03).at(0.06, 0.13))))
    hand = (rng.uniform(0.0, 0.25), chest + rng.uniform(0.12, 0.3), shoulder - rng.uniform(-0.15, 0.4))
    arm = capsule(0.08, (0, chest - 0.03, shoulder - 0.08), hand, 12)
    parts += [part("body", *either_side(arm)), part("skin", *either_side(ellipsoid(0.1, sides=12).at(*hand)))]
    hair = ellipsoid(head, 1.1 * head, 1.1 * head).at(-0.3 * head, 0, hz + 0.08)
    parts.append(part("wood", hair, *([ellipsoid(0.12).at(-head - 0.12, 0, hz + 0.1)] if chance(rng, 0.4) else [])))
    parts.append(part("dark", *eyes(0.05, 0.9 * head, 0.38 * head, hz + 0.02)))
    kind, top = rng.integers(4), hz + 0.7 * head
    if kind == 0:
        parts.append(part("accent", cylinder(1.1 * head, rng.uniform(0.35, 0.55), 0.0).at(z=top - 0.03)))
    elif kind == 1:
        parts.append(part("accent", cylinder(1.6 * head, 0.08).at(z=top - 0.03), dome(head, 0.25).at(z=top)))
    elif kind == 2:
        parts.append(
            part(
                "accent",
                dome(1.1 * head, 0.28).at(z=top - 0.1),
                prism([(0, -0.2), (0, 0.2), (0.42, 0.14), (0.42, -0.14)], 0.08).at(z=top - 0.1),
            )
        )
    if chance(rng, 0.5):
        parts.append(part("accent", box(0.16, 0.9 * chest, 0.24, 0.04).at(-0.8 * chest - 0.04, 0, hips + 0.08)))
    return Shape(parts, "doll", "doll")


def guitar(rng: np.random.Generator) -> Shape:
    """An upright guitar facing +x: waisted body of two discs, sound hole, bridge, neck and head with pegs."""
    lower, upper, depth = rng.uniform(0.38, 0.48), rng.uniform(0.27, 0.36), rng.uniform(0.2, 0.3)
    neck, waist = rng.uniform(0.4, 0.65), lower + rng.uniform(0.4, 0.5)
    parts = [
        part(
            "body",
            disc(lower, depth, 28).at(z=lower),
            disc(upper, depth, 28).at(z=waist + 0.55 * upper),
            box(depth, 1.25 * upper, 0.4).at(z=waist - 0.25),
        )
    ]
    front, top = depth / 2, waist + 1.4 * upper
    parts.append(
        part(
            "dark",
            disc(rng.uniform(0.13, 0.17), 0.1).at(front, 0, waist - 0.05),
            box(0.1, 0.34, 0.1).at(front + 0.02, 0, 0.6 * lower),
        )
    )
    parts.append(part("trim", box(0.12, 0.14, neck + 0.35).at(front - 0.02, 0, top - 0.35)))
    head = top + neck
    parts.append(part("accent", box(0.11, 0.22, 0.28, 0.02).at(front - 0.04, 0, head - 0.02)))
    pegs = [ellipsoid(0.06, sides=10).at(front - 0.04, 0.15, head + dz) for dz in (0.06, 0.19)]
    parts.append(part("white", *(s for peg in pegs for s in either_side(peg))))
    if chance(rng, 0.5):
        parts.append(part("accent", ellipsoid(0.06, 0.12, 0.2, 14).at(front, -0.5 * lower, 0.95 * lower)))
    return Shape(parts, "guitar", "guitar")


def camera(rng: np.random.Generator) -> Shape:
    """A camera: body, lens of stacked rings, flash or viewfinder, button, screen behind, sometimes a grip."""
    depth, width, tall = rng.uniform(0.3, 0.45), rng.uniform(0.95, 1.2), rng.uniform(0.6, 0.75)
    parts = [part("body", box(depth, width, tall, 0.06))]
    shift, radius = rng.uniform(-0.12, 0.12), rng.uniform(0.2, 0.28)
    front, length = depth / 2, rng.uniform(0.15, 0.4)
    centre = 0.47 * tall
    parts.append(part("trim", cylinder(1.15 * radius, 0.1).turned("y", 90).at(front - 0.03, shift, centre)))
    parts.append(
        part("dark", cylinder(radius, length, radius * rng.uniform(0.85, 1.1)).turned("y", 90).at(front, shift, centre))
    )
    parts.append(part("glass", ellipsoid(0.09, 0.75 * radius, 0.75 * radius).at(front + length, shift, centre)))
    if chance(rng, 0.6):
        parts.append(part("accent", box(0.8 * depth, 0.36, 0.22, 0.03, 0.85).at(0, shift, tall - 0.02)))
        parts.append(part("white", box(0.1, 0.22, 0.1).at(0.38 * depth, shift, tall + 0.03)))
    else:
        parts.append(part("white", box(0.1, 0.18, 0.13).at(front - 0.02, -0.36 * width, 0.76 * tall)))
    parts.append(
        part(
            "accent",
            cylinder(0.09, 0.14).at(0, 0.36 * width, tall - 0.03),
            cylinder(0.12, 0.1).at(0, -0.36 * width, tall - 0.03),
        )
    )
    parts.append(part("glass", box(0.08, 0.55 * width, 0.6 * tall).at(-front, -0.06, 0.18 * tall)))
    if chance(rng, 0.5):
        parts.append(part("dark", box(0.16, 0.17, 0.85 * tall, 0.05).at(front, 0.42 * width, 0.06)))
    return Shape(parts, "camera", "camera")


def hat(rng: np.random.Generator) -> Shape:
    """A hat: bowler, top hat, cowboy or cap, with a band and a badge on the front."""
    radius, tall = rng.uniform(0.4, 0.5), rng.uniform(0.35, 0.75)
    flat = chance(rng, 0.5)
    crown = cylinder(radius, tall, radius * rng.uniform(0.75, 1.1), 28) if flat else dome(radius, tall, 28)
    parts = [part("body", crown.scaled(x=1.1))]
    if chance(rng, 0.7):
        brim = cylinder(radius + rng.uniform(0.18, 0.38), 0.1, sides=32).scaled(x=1.1)
        curled = Solid(brim.vertices + np.array([0.0, 0.0, 0.45]) * brim.vertices[:, 1:2] ** 2, brim.faces)
        parts.append(part("body", curled if chance(rng, 0.4) else brim))
    else:
        angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
        parts.append(
            part("accent", prism(np.stack([0.25 + (radius + 0.15) * np.cos(angle), radius * np.sin(angle)], -1), 0.09))
        )
        parts.append(part("accent", ellipsoid(0.09).at(z=tall)))
    band = rng.uniform(0.12, 0.2)
    parts.append(part("trim", cylinder(radius + 0.035, band, radius + 0.02, 28).scaled(x=1.1).at(z=0.07)))
    badge = disc(0.13, 0.12) if chance(rng, 0.5) else ellipsoid(0.06, 0.1, 0.28).at(y=0.0, z=0.2)
    parts.append(part("accent", badge.at(1.1 * radius, 0, 0.09 + band / 2)))
    if chance(rng, 0.4):
        parts.append(part("trim", ellipsoid(0.08, 0.16, 0.1, 14).at(-1.1 * radius - 0.02, 0, 0.15)))
    return Shape(parts, "hat", "hat")


def toy_horse(rng: np.random.Generator) -> Shape:
    """A pull-along animal on four wheels: block body, neck, head with muzzle, mane, tail and saddle."""
    length, width = rng.uniform(0.75, 0.95), rng.uniform(0.3, 0.42)
    radius, legs = rng.uniform(0.12, 0.16), rng.uniform(0.25, 0.4)
    deck = 1.3 * radius
    parts = [part("trim", box(length + 0.2, width + 0.06, 0.1, 0.02).at(z=deck - 0.03))]
    places = [(x, side * (width / 2 + 0.05)) for x in (-0.42 * length, 0.42 * length) for side in (-1, 1)]
    parts.append(part("dark", *(wheel(radius, 0.11).at(x, y, radius) for x, y in places)))
    leg = box(0.14, 0.13, legs + 0.06)
    parts.append(
        part(
            "body",
            *(leg.at(x, y, deck + 0.04) for x in (-0.32 * length, 0.32 * length) for y in (-0.3 * width, 0.3 * width)),
        )
    )
    back = deck + legs
    parts.append(part("body", box(length, width, 0.34, 0.08).at(z=back)))
    neck, hz = 0.36 * length, back + rng.uniform(0.55, 0.75)
    parts.append(
        part(
            "body",
            capsule(0.14, (neck, 0, back + 0.2), (neck + 0.15, 0, hz)),
            ellipsoid(0.27, 0.15, 0.15).turned("y", 20).at(neck + 0.28, 0, hz),
        )
    )
    mane = box(0.12, 0.1, 0.5, 0.03).turned("y", 14).at(neck - 0.12, 0, back + 0.28)
    ear = cylinder(0.07, 0.17, 0.0, 8).at(neck + 0.14, 0.09, hz + 0.1)
    parts.append(
        part(
            "accent",
            mane,
            *either_side(ear),
            capsule(0.07, (-0.5 * length, 0, back + 0.25), (-0.5 * length - 0.14, 0, back - 0.05), 12),
        )
    )
    parts.append(part("dark", *eyes(0.05, neck + 0.3, 0.13, hz + 0.07)))
    if chance(rng, 0.6):
        parts.append(part("accent", box(0.3, width + 0.06, 0.2, 0.05).at(-0.05, 0, back + 0.18)))
    return Shape(parts, "toy horse", "toy_horse")
