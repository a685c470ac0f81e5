"""Vehicles on wheels, driving towards +x."""

import numpy as np

from viewdistill.objects.geometry.assembly import chance, either_side, eyes, hubs, part, wheels
from viewdistill.objects.geometry.extrusion import extruded_y, prism
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import box, capsule, cylinder, disc, dome, ellipsoid


def car(rng: np.random.Generator) -> Shape:
    """A car: body, cabin of one of three outlines, wheels, lamps, bumper, sometimes a roof load or a wing."""
    length, width, radius = rng.uniform(1.3, 1.6), rng.uniform(0.6, 0.75), rng.uniform(0.15, 0.21)
    sill, deck, cabin = 0.8 * radius, rng.uniform(0.42, 0.52), rng.uniform(0.26, 0.38)
    half, top = length / 2, deck + cabin
    parts = [part("body", box(length, width, deck - sill, 0.07).at(z=sill))]
    back, rear = rng.uniform(-0.95, -0.55) * half, rng.uniform(-0.9, -0.45) * half
    front, peak = rng.uniform(0.3, 0.5) * half, rng.uniform(0.0, 0.25) * half
    outline = [(min(back, rear), deck - 0.05), (front, deck - 0.05), (peak, top), (max(back, rear) - 0.05, top)]
    parts.append(part("glass", extruded_y(outline, 0.86 * width)))
    roof = peak - max(back, rear) + 0.1
    parts.append(
        part(
            str(rng.choice(["body", "trim"])),
            box(roof, 0.9 * width, 0.09, 0.02).at((peak + max(back, rear)) / 2, 0, top - 0.03),
        )
    )
    axles = (-rng.uniform(0.55, 0.65) * half, rng.uniform(0.55, 0.65) * half)
    parts.append(part("dark", *wheels(radius, 0.14, axles, width / 2)))
    parts.append(
        part("white", *hubs(radius, 0.14, axles, width / 2), *eyes(0.075, half - 0.01, 0.33 * width, 0.6 * deck + 0.1))
    )
    parts.append(part("trim", box(0.1, 0.96 * width, 0.1, 0.02).at(half, 0, sill + 0.02)))
    parts.append(part("accent", *either_side(box(0.08, 0.13, 0.09).at(-half, 0.36 * width, 0.65 * deck))))
    if chance(rng, 0.3):
        parts.append(
            part(
                "accent",
                box(0.12, 0.9 * width, 0.08).at(-half + 0.1, 0, deck + 0.1),
                *either_side(box(0.1, 0.1, 0.15).at(-half + 0.1, 0.25 * width, deck - 0.03)),
            )
        )
    if chance(rng, 0.3):
        parts.append(part("accent", box(0.14, 0.4 * width, 0.12, 0.02).at(0.3 * back, 0, top + 0.04)))
    return Shape(parts, "car", "car")


def truck(rng: np.random.Generator) -> Shape:
    """A truck: cab in front, and a box, tank, or open bed with a load behind."""
    length, width, radius = rng.uniform(0.8, 1.1), rng.uniform(0.55, 0.68), rng.uniform(0.15, 0.19)
    cab, height = rng.uniform(0.35, 0.48), rng.uniform(0.6, 0.78)
    floor = 1.2 * radius
    nose = length / 2 + cab
    parts = [part("dark", box(length + cab, 0.7 * width, 0.12).at(cab / 2, 0, floor - 0.08))]
    hood = chance(rng, 0.4)
    parts.append(part("body", box(cab, 0.95 * width, height, 0.05).at(length / 2 + cab / 2 + 0.03, 0, floor)))
    parts.append(part("glass", box(0.12, 0.75 * width, 0.36 * height).at(nose, 0, floor + 0.55 * height)))
    if hood:
        parts.append(part("body", box(0.32, 0.8 * width, 0.5 * height, 0.05).at(nose + 0.14, 0, floor)))
        nose += 0.28
    parts += _cargo(rng, length, width, floor)
    axles = [-0.32 * length, *([-0.02 * length] if length > 0.95 else []), nose - 0.22]
    parts.append(part("dark", *wheels(radius, 0.14, axles, width / 2 - 0.02)))
    parts.append(
        part(
            "white", *hubs(radius, 0.14, axles, width / 2 - 0.02), *eyes(0.065, nose + 0.02, 0.32 * width, floor + 0.14)
        )
    )
    return Shape(parts, "truck", "truck")


def _cargo(rng: np.random.Generator, length: float, width: float, floor: float) -> list[Part]:
    """What a truck carries: a box, a tank, or an open bed with a load."""
    kind = rng.integers(3)
    if kind == 0:
        return [part("accent", box(length, width, rng.uniform(0.6, 0.95), 0.02).at(-0.02, 0, floor))]
    if kind == 1:
        middle = floor + 0.5 * width
        tank = capsule(0.48 * width, (-0.5 * length + 0.3, 0, middle), (0.5 * length - 0.28, 0, middle))
        feet = (box(0.1, 0.6 * width, 0.25).at(x * length, 0, floor - 0.02) for x in (-0.2, 0.2))
        return [part("accent", tank, *feet)]
    sides = either_side(box(length, 0.09, 0.28).at(0, width / 2, floor))
    bed = part("accent", box(length, width, 0.1).at(z=floor), *sides, box(0.09, width, 0.28).at(-length / 2, 0, floor))
    places = np.linspace(-0.3, 0.3, int(rng.integers(1, 4))) * length
    return [bed, part("trim", *(ellipsoid(0.45 * width / 1.4).at(x, 0, floor + 0.25) for x in places))]


def train(rng: np.random.Generator) -> Shape:
    """A steam engine: boiler, chimney, domes, cab, cow-catcher and wheels of two sizes."""
    boiler, length, width = rng.uniform(0.22, 0.3), rng.uniform(0.6, 0.95), 0.6
    small = rng.uniform(0.13, 0.17)
    floor = 1.6 * small
    axis, nose = floor + boiler + 0.05, length / 2
    parts = [part("body", cylinder(boiler, length).turned("y", 90).at(-nose, 0, axis))]
    parts.append(
        part(
            "trim",
            box(length + 0.5, width, 0.12, 0.02).at(-0.2, 0, floor - 0.06),
            disc(0.85 * boiler, 0.12).at(nose + 0.02, 0, axis),
        )
    )
    top = axis + boiler + rng.uniform(0.1, 0.3)
    parts.append(part("accent", box(0.42, width, top - floor, 0.02).at(-nose - 0.2, 0, floor)))
    roof = (
        box(0.56, width + 0.12, 0.1, 0.03)
        if chance(rng, 0.5)
        else cylinder(0.5 * width, 0.56).turned("y", 90).scaled(z=0.4).at(-0.28)
    )
    parts.append(part("trim", roof.at(-nose - 0.2, 0, top - 0.02)))
    parts.append(part("glass", *either_side(box(0.2, 0.1, 0.2).at(-nose - 0.2, width / 2 - 0.02, top - 0.3))))
    chimney = cylinder(0.09, rng.uniform(0.25, 0.4), rng.uniform(0.09, 0.18)).at(nose - 0.15, 0, axis + 0.8 * boiler)
    hump = dome(0.13, 0.2).at(rng.uniform(-0.15, 0.1), 0, axis + 0.85 * boiler)
    parts.append(part("dark", chimney))
    parts.append(part("accent", hump))
    catcher = prism([(0.0, -width / 2), (0.0, width / 2), (0.25, 0.0)], floor - 0.02).at(nose + 0.02, 0, 0.02)
    parts.append(part("accent", catcher))
    parts.append(part("white", ellipsoid(0.09, sides=14).at(nose + 0.08, 0, axis + 0.4 * boiler)))
    fronts, big = np.linspace(-0.1, nose - 0.12, int(rng.integers(2, 4))), rng.uniform(1.2, 1.7) * small
    parts.append(
        part("dark", *wheels(small, 0.12, list(fronts), width / 2), *wheels(big, 0.12, [-nose - 0.15], width / 2))
    )
    parts.append(
        part("accent", *hubs(small, 0.12, list(fronts), width / 2), *hubs(big, 0.12, [-nose - 0.15], width / 2))
    )
    return Shape(parts, "steam train", "train")
