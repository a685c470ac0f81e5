"""Free-form families: shapes without a name, so that a prior learns form instead of memorising families."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from skimage.measure import marching_cubes

from viewdistill.objects.geometry.assembly import around, chance, either_side, eyes, part
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import box, cylinder, disc, ellipsoid, superquadric, torus, tube
from viewdistill.objects.geometry.solid import Solid, loft

_GRID = 32
"""Cells along the longest side when a distance field is triangulated."""

DistanceField = Callable[[Float[np.ndarray, "N 3"]], Float[np.ndarray, "N"]]


def _direction(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def turned_vase(rng: np.random.Generator) -> Shape:
    """A profile of random radii turned about the axis, round, lobed or many-sided, with or without a twist."""
    rows, height = 18, rng.uniform(0.9, 1.8)
    knots = rng.uniform(0.18, 0.6, int(rng.integers(4, 7)))
    z = np.linspace(0.0, 1.0, rows)
    radius = np.interp(z, np.linspace(0, 1, len(knots)), knots)
    smooth = np.convolve(np.pad(radius, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid")
    rings, sides = _turned_rings(rng, smooth, z, height)
    parts = [part("body", loft(rings))]
    for level in rng.choice(np.arange(2, rows - 2), int(rng.integers(0, 3)), replace=False):
        parts.append(
            part(
                "trim",
                torus(float(smooth[level]) * 0.5 * (1 + math.cos(math.pi / sides)), 0.07).at(
                    z=float(z[level]) * height
                ),
            )
        )
    if chance(rng, 0.4):
        ear = tube(
            [
                (0, 0.7 * smooth[12], 0.68 * height),
                (0, 0.75, 0.7 * height),
                (0, 0.75, 0.4 * height),
                (0, 0.7 * smooth[6], 0.35 * height),
            ],
            0.07,
        )
        parts.append(part("accent", *either_side(ear)[: int(rng.integers(1, 3))]))
    mark = int(rng.integers(6, 12))
    parts.append(part("accent", ellipsoid(0.09, 0.17, 0.17).at(float(smooth[mark]), 0, float(z[mark]) * height)))
    return Shape(parts, "vase", "turned_vase")


def _turned_rings(
    rng: np.random.Generator, radius: Float[np.ndarray, "rows"], z: Float[np.ndarray, "rows"], height: float
) -> tuple[Float[np.ndarray, "rows sides 3"], int]:
    """Rings of a profile turned about the axis, and the number of their points.

    Args:
        rng: Decides the number of sides, the twist and the lobes.
        radius: Of each ring.
        z: Of each ring, from 0 to 1.
        height: Of the whole.
    """
    sides = int(rng.choice([4, 5, 6, 8, 28, 28, 28]))
    turn = np.radians(rng.choice([0.0, rng.uniform(-90, 90)])) * z[:, None]
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False) + turn
    lobed = sides == 28 and chance(rng, 0.5)
    lobes = 1.0 + (rng.uniform(0.05, 0.15) * np.cos(rng.integers(3, 7) * angle) if lobed else 0.0 * angle)
    reach = radius[:, None] * lobes
    level = np.broadcast_to(z[:, None] * height, reach.shape)
    return np.stack([reach * np.cos(angle), reach * np.sin(angle), level], -1), sides


def _ellipsoid_field(rng: np.random.Generator, centre: Float[np.ndarray, "3"], size: float) -> DistanceField:
    """Approximate signed distance to a randomly turned ellipsoid."""
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    radii = size * rng.uniform(0.6, 1.4, 3)

    def field(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N"]:
        return (np.linalg.norm((points - centre) @ axes / radii, axis=1) - 1.0) * float(radii.min())

    return field


def _smooth_union(distances: Float[np.ndarray, "K N"], blend: float) -> Float[np.ndarray, "N"]:
    """Exponential smooth minimum of signed distances; ``blend`` is the length over which solids melt together."""
    nearest = distances.min(0)
    return nearest - blend * np.log(np.exp((nearest - distances) / blend).sum(0))


def solid_of_field(field: DistanceField, half_size: float) -> Solid:
    """The zero level of a distance field that is positive outside the cube of half side ``half_size``."""
    axis = np.linspace(-half_size, half_size, _GRID + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    # Values of exactly zero would give triangles without area.
    values = field(points).reshape((_GRID + 1,) * 3)
    values = np.where(np.abs(values) < 1e-6, 1e-6, values)
    values = np.pad(values, 1, constant_values=half_size)
    vertices, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="descent")
    step = 2 * half_size / _GRID
    positions = (vertices.astype(np.float64) - 1.0) * step - half_size
    return Solid(positions, np.ascontiguousarray(faces.astype(np.int64)))


def metaballs(rng: np.random.Generator) -> Shape:
    """Three to seven ellipsoids melted together, some grown knobs of another colour, more of them in front."""
    centres, sizes = [np.zeros(3)], [rng.uniform(0.28, 0.4)]
    for _ in range(int(rng.integers(2, 7))):
        parent = int(rng.integers(len(centres)))
        size = rng.uniform(0.14, 0.3)
        centres.append(centres[parent] + _direction(rng) * (sizes[parent] + 0.5 * size))
        sizes.append(size)
    fields = [_ellipsoid_field(rng, c, s) for c, s in zip(centres, sizes, strict=True)]
    blend = rng.uniform(0.03, 0.09)
    half = max(float(np.abs(c).max()) + 1.6 * s for c, s in zip(centres, sizes, strict=True)) + blend
    body = solid_of_field(lambda points: _smooth_union(np.stack([f(points) for f in fields]), blend), half)
    parts = [part("body", body)]
    outward = body.vertices - body.vertices.mean(0)
    for slot in ("accent", "trim")[: int(rng.integers(1, 3))]:
        look = _direction(rng) + (np.array([1.2, 0, 0]) if slot == "accent" else 0.0)
        tip = body.vertices[int(np.argmax(outward @ look))]
        parts.append(part(slot, ellipsoid(*rng.uniform(0.12, 0.24, 3)).at(*tip)))
    if chance(rng, 0.4):
        front = body.vertices[int(np.argmax(outward @ np.array([1.0, 0.0, 0.4])))]
        parts.append(part("dark", *(e.at(*front) for e in eyes(0.09, 0.0, 0.13, 0.06))))
    return Shape(parts, "blob", "metaballs")


def smooth_creature(rng: np.random.Generator) -> Shape:
    """Capsules melted into a body with mirrored limbs, a head in front and eyes: an animal that does not exist."""
    length, girth, pairs = rng.uniform(0.3, 0.6), rng.uniform(0.18, 0.3), int(rng.integers(1, 4))
    lift, head = rng.uniform(0.1, 0.5), rng.uniform(0.17, 0.3)
    skull = np.array([length + rng.uniform(0.0, 0.2), 0.0, lift])
    rods = [
        (np.array([-length, 0, 0]), np.array([length, 0, 0]), girth),
        (np.array([length, 0, 0]), skull, 0.7 * head),
        (skull, skull, head),
    ]
    for x in np.linspace(-0.8, 0.7, pairs) * length:
        foot = np.array([x + rng.uniform(-0.15, 0.15), girth + rng.uniform(0.0, 0.4), -girth - rng.uniform(0.15, 0.45)])
        rods += [(np.array([x, 0, 0]), foot * [1, s, 1], rng.uniform(0.08, 0.12)) for s in (-1, 1)]
    tail = np.array([-length - rng.uniform(0.2, 0.5), 0.0, rng.uniform(-0.2, 0.6)])
    rods += [(np.array([-length, 0, 0]), tail, rng.uniform(0.08, 0.16))] if chance(rng, 0.7) else []

    def field(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N"]:
        return _smooth_union(np.stack([_rod_distance(points, *rod) for rod in rods]), 0.04)

    half = max(float(np.abs(end).max()) + r for _, end, r in rods) + 0.15
    parts = [part("body", solid_of_field(field, half))]
    ahead, side, up = skull + np.array([0.82 * head, 0.0, 0.35 * head]), 0.5 * head, rng.uniform(0.06, 0.1)
    parts.append(part("dark", *eyes(up, ahead[0], side, ahead[2])))
    parts.append(part("accent", ellipsoid(0.1, 0.14, 0.09).at(skull[0] + 0.95 * head, 0, skull[2] - 0.25 * head)))
    horn = (
        cylinder(0.09, rng.uniform(0.18, 0.35), rng.choice([0.0, 0.09]), 10)
        .turned("x", -15)
        .at(skull[0], 0.5 * head, skull[2] + 0.7 * head)
    )
    parts.append(part("trim", *either_side(horn)))
    if chance(rng, 0.5):
        plates = [cylinder(0.13, 0.24, 0.0, 6).at(x, 0, 0.9 * girth) for x in np.linspace(-0.8, 0.5, 4) * length]
        parts.append(part("accent", *plates))
    return Shape(parts, "creature", "smooth_creature")


def _rod_distance(
    points: Float[np.ndarray, "N 3"], start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"], radius: float
) -> Float[np.ndarray, "N"]:
    axis = end - start
    along = np.clip((points - start) @ axis / max(float(axis @ axis), 1e-9), 0.0, 1.0)
    return np.linalg.norm(points - start - along[:, None] * axis, axis=1) - radius


def superquadric_assembly(rng: np.random.Generator) -> Shape:
    """Three to six superquadrics, each grown out of the surface of an earlier one, in two or three colours."""
    centres, sizes, parts = [np.zeros(3)], [rng.uniform(0.3, 0.5, 3)], list[Part]()
    for _ in range(int(rng.integers(2, 6))):
        parent = int(rng.integers(len(centres)))
        heading = np.eye(3)[rng.integers(3)] * rng.choice([-1.0, 1.0]) if chance(rng, 0.6) else _direction(rng)
        size = rng.uniform(0.14, 0.34, 3)
        centres.append(centres[parent] + heading * (0.85 * sizes[parent] + 0.6 * size))
        sizes.append(size)
    for k, (centre, size) in enumerate(zip(centres, sizes, strict=True)):
        exponents = rng.choice([0.15, 0.4, 1.0, 1.7], 2)
        solid = superquadric(*size, vertical=float(exponents[0]), horizontal=float(exponents[1]))
        if k > 0 and chance(rng, 0.4):
            solid = solid.turned("z", 45.0)
        parts.append(part(("body", "accent", "trim")[k % 3], solid.at(*centre)))
    front = int(np.argmax([c[0] + s[0] for c, s in zip(centres, sizes, strict=True)]))
    nose = centres[front] + np.array([sizes[front][0], 0.0, 0.0])
    mark = [disc(0.12, 0.16), ellipsoid(0.12), box(0.16, 0.22, 0.12).at(z=-0.06)][rng.integers(3)]
    parts.append(part("dark", mark.at(*nose)))
    return Shape(parts, "sculpture", "superquadrics")


def noisy_blob(rng: np.random.Generator) -> Shape:
    """A ball displaced by waves over its surface, from pebble to gourd, with bumps or a stem and a front mark."""
    rows, sides = 22, 36
    latitude, turn = (
        np.linspace(-math.pi / 2, math.pi / 2, rows + 2)[1:-1],
        np.linspace(0, 2 * math.pi, sides, endpoint=False),
    )
    ring = np.stack([np.cos(turn), np.sin(turn)], -1)
    flat = np.cos(latitude)[:, None, None] * ring
    unit = np.concatenate([flat, np.broadcast_to(np.sin(latitude)[:, None, None], (rows, sides, 1))], -1)
    waves = rng.normal(size=(5, 3)) * rng.uniform(1.0, 3.2)
    phases, strengths = rng.uniform(0, 2 * math.pi, 5), rng.uniform(0.04, 0.16, 5)

    def radius(directions: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 1"]:
        return 1.0 + (np.sin(directions @ waves.T + phases) @ strengths)[..., None]

    poles = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    poles = poles * radius(poles)
    stretch = rng.uniform(0.4, 0.75, 3)
    body = loft(unit * radius(unit), poles[0], poles[1]).scaled(*stretch)
    parts = [part("body", body)]
    ahead = radius(np.array([1.0, 0.0, 0.0])) * np.array([stretch[0], 0.0, 0.0])
    parts.append(part("accent", ellipsoid(0.12, *rng.uniform(0.14, 0.24, 2)).at(*ahead)))
    top = float(poles[1, 2] * stretch[2])
    if chance(rng, 0.6):
        bend = rng.uniform(-0.25, 0.25)
        parts.append(
            part("trim", tube([(0, 0, top - 0.1), (0, 0, top + 0.15), (bend, 0, top + 0.35)], [0.11, 0.09, 0.1]))
        )
    for _ in range(int(rng.integers(0, 4))):
        heading = _direction(rng)
        parts.append(part("trim", ellipsoid(rng.uniform(0.1, 0.18)).at(*(heading * radius(heading) * stretch))))
    return Shape(parts, str(rng.choice(["pebble", "gourd", "blob"])), "noisy_blob")


def stacked_blocks(rng: np.random.Generator) -> Shape:
    """A tower of blocks, discs, balls and rings of varied size, each a little off the axis of the one below."""
    x, y, z, parts = 0.0, 0.0, 0.0, list[Part]()
    count = int(rng.integers(3, 7))
    for k in range(count):
        size, tall = rng.uniform(0.22, 0.5), rng.uniform(0.18, 0.42)
        options = [
            box(2 * size, rng.uniform(1.0, 2.4) * size, tall, 0.03, float(rng.choice([1.0, 0.7]))),
            cylinder(size, tall, size * float(rng.uniform(0.5, 1.0)), int(rng.choice([3, 5, 6, 24]))),
            ellipsoid(size, z=0.55 * tall).at(z=0.5 * tall),
            superquadric(size, size, 0.55 * tall, 1.2, 0.6).at(z=0.5 * tall),
            torus(size, 0.5 * tall).at(z=0.5 * tall),
        ]
        solid = options[rng.integers(5 if k == count - 1 else 4)].turned("z", float(rng.uniform(0, 90))).at(x, y, z)
        parts.append(part(("body", "accent", "trim")[int(rng.integers(3))], solid))
        if k % 2 == 0:
            parts.append(part("dark", ellipsoid(0.1, sides=12).at(*solid.vertices[np.argmax(solid.vertices[:, 0])])))
        x, y, z = x + rng.uniform(-0.12, 0.12), y + rng.uniform(-0.12, 0.12), z + 0.94 * tall
    return Shape(parts, "stack of blocks", "stacked_blocks")


def swept_loop(rng: np.random.Generator) -> Shape:
    """A thick tube along a closed wavy curve or an open spiral, with beads and a foot."""
    turns = np.linspace(0, 2 * math.pi, 49)[:-1]
    waves, thickness = int(rng.integers(2, 5)), rng.uniform(0.1, 0.18)
    if chance(rng, 0.5):
        wave = 1 + rng.uniform(0.1, 0.4) * np.cos(waves * turns)
        path = np.stack(
            [0.3 * rng.uniform(0.2, 1.0) * np.sin(waves * turns), wave * np.cos(turns), wave * np.sin(turns)], -1
        )
        path = 0.55 * np.concatenate([path, path[:1]])
    else:
        climb = np.linspace(0.0, rng.uniform(1.2, 2.2), 60)
        path = np.stack([0.4 * np.cos(climb * 5.0), 0.4 * np.sin(climb * 5.0), 0.55 * climb - 0.5], -1)
    path = path @ np.array([[1.0, 0, 0], [0, rng.uniform(0.7, 1.2), 0], [0, 0, 1]])
    parts = [part("body", tube(path, thickness, 14))]
    bead = ellipsoid(1.6 * thickness)
    places = path[rng.choice(len(path), int(rng.integers(1, 5)), replace=False)]
    parts.append(part("accent", *(bead.at(*p) for p in places)))
    low = float(path[:, 2].min()) - thickness
    parts.append(part("trim", cylinder(rng.uniform(0.3, 0.5), 0.16, 0.25).at(z=low - 0.08)))
    spikes = around(cylinder(0.1, 0.3, 0.0, 10).turned("y", 90), 3, "x")
    parts.append(part("dark", *(s.at(*path[np.argmax(path[:, 0])]) for s in spikes[:1])))
    return Shape(parts, "sculpture", "swept_loop")
