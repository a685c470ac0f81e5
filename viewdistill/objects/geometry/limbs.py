"""Thin parts grown on any shape: legs, arms, handles, spouts, brims, antennae, tails."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from viewdistill.objects.geometry.assembly import chance, part
from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.geometry.shapes import curve, ellipsoid, lathe, tube
from viewdistill.objects.geometry.solid import Solid

UP = np.array([0.0, 0.0, 1.0])

Body = Float[np.ndarray, "vertices 3"]


def with_limbs(shape: Shape, rng: np.random.Generator) -> Shape:
    """The shape with one to three kinds of thin parts, as thick as a thirtieth to a tenth of it."""
    largest = max(shape.parts, key=lambda piece: float(np.ptp(piece.vertices, axis=0).prod()))
    body = largest.vertices
    kinds = rng.choice(len(_LIMBS), int(rng.integers(1, 4)), replace=False)
    parts: list[Part] = []
    for kind in kinds:
        slot = str(rng.choice(["body", "accent", "trim", "dark"]))
        parts.append(part(slot, *_LIMBS[kind](rng, body)))
    return Shape([*shape.parts, *parts], shape.noun, shape.family)


def _size(body: Body) -> float:
    return float(np.ptp(body, axis=0).max())


def _thickness(rng: np.random.Generator, body: Body) -> float:
    """Radius of a rod."""
    return _size(body) * float(rng.uniform(0.016, 0.045))


def _surface(body: Body, direction: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """A point a little below the surface, in a direction from the middle."""
    middle = 0.5 * (body.min(0) + body.max(0))
    offsets = body - middle
    length = np.linalg.norm(offsets, axis=1)
    facing = offsets @ (direction / np.linalg.norm(direction)) / np.maximum(length, 1e-9)
    return middle + 0.93 * offsets[int(np.argmax(facing))]


def _legs(rng: np.random.Generator, body: Body) -> list[Solid]:
    count, radius, low = int(rng.integers(2, 5)), _thickness(rng, body), float(body[:, 2].min())
    length, spread = _size(body) * float(rng.uniform(0.2, 0.55)), float(rng.uniform(0.9, 1.5))
    first, legs = rng.uniform(0, 2 * np.pi), list[Solid]()
    for k in range(count):
        angle = first + 2 * np.pi * k / count
        hip = _surface(body, np.array([np.cos(angle), np.sin(angle), -1.4]))
        foot = np.array([hip[0] * spread, hip[1] * spread, low - length])
        legs += [tube([hip.tolist(), foot.tolist()], [radius, radius * 0.8], 8)]
        if chance(rng, 0.3):
            legs.append(ellipsoid(2.4 * radius, 1.6 * radius, 1.2 * radius, 10).at(*foot.tolist()))
    return legs


def _arms(rng: np.random.Generator, body: Body) -> list[Solid]:
    radius, reach, size = _thickness(rng, body), float(rng.uniform(0.2, 0.5)), _size(body)
    forward, rise, hands = rng.uniform(-0.4, 0.6), rng.uniform(-0.5, 0.5), chance(rng, 0.5)
    arms: list[Solid] = []
    for side in (-1.0, 1.0):
        start = _surface(body, np.array([0.1, side, 0.35]))
        elbow = start + size * reach * np.array([0.1, 0.6 * side, -0.3 + 0.4 * rise])
        hand = start + size * reach * np.array([forward, 0.9 * side, rise])
        arms.append(tube(curve([start.tolist(), elbow.tolist(), hand.tolist()], 7), radius, 8))
        if hands:
            arms.append(ellipsoid(2.0 * radius, sides=10).at(*hand.tolist()))
    return arms


def _antennae(rng: np.random.Generator, body: Body) -> list[Solid]:
    radius, size, lean = _thickness(rng, body), _size(body), float(rng.uniform(-0.3, 0.3))
    found: list[Solid] = []
    for side in (-1.0, 1.0) if chance(rng, 0.6) else (0.0,):
        start = _surface(body, np.array([lean, 0.4 * side, 1.0]))
        tip = start + size * np.array([lean, rng.uniform(0, 0.35) * side, rng.uniform(0.2, 0.5)])
        middle = 0.5 * (start + tip) + size * np.array([0.0, 0.0, 0.08])
        found.append(tube(curve([start.tolist(), middle.tolist(), tip.tolist()], 6), radius, 8))
        if chance(rng, 0.6):
            found.append(ellipsoid(2.2 * radius, sides=10).at(*tip.tolist()))
    return found


def _handles(rng: np.random.Generator, body: Body) -> list[Solid]:
    """One or two loops at the sides, or one over the top."""
    radius, size = _thickness(rng, body), _size(body)
    if chance(rng, 0.25):
        left, right = _surface(body, np.array([0, -1.0, 1.0])), _surface(body, np.array([0, 1.0, 1.0]))
        rise = np.array([0.0, 0.0, size * float(rng.uniform(0.35, 0.7))])
        return [
            tube(curve([left.tolist(), (left + rise).tolist(), (right + rise).tolist(), right.tolist()], 10), radius)
        ]
    angle, out = rng.uniform(0, 2 * np.pi), size * float(rng.uniform(0.2, 0.45))
    handles: list[Solid] = []
    for turn in (0.0, np.pi) if chance(rng, 0.35) else (0.0,):
        heading = np.array([np.cos(angle + turn), np.sin(angle + turn), 0.0])
        top, bottom = _surface(body, heading + 0.7 * UP), _surface(body, heading - 0.6 * UP)
        controls = [top, top + out * heading * 1.2, bottom + out * heading, bottom]
        handles.append(tube(curve([c.tolist() for c in controls], 10), radius, 8))
    return handles


def _spout(rng: np.random.Generator, body: Body) -> list[Solid]:
    radius, size = 1.4 * _thickness(rng, body), _size(body)
    angle = rng.uniform(-1.0, 1.0)
    heading = np.array([np.cos(angle), np.sin(angle), 0.0])
    start = _surface(body, heading - rng.uniform(-0.2, 0.5) * UP)
    out, rise = size * rng.uniform(0.2, 0.45), size * rng.uniform(0.1, 0.45)
    middle, end = start + out * heading, start + 1.15 * out * heading + rise * UP
    path = curve([start.tolist(), middle.tolist(), end.tolist()], 8)
    return [tube(path, np.linspace(1.6 * radius, 0.9 * radius, 8), 10)]


def _brim(rng: np.random.Generator, body: Body) -> list[Solid]:
    """A thin plate or ring around the shape, flat or bent down or up."""
    size, low, high = _size(body), float(body[:, 2].min()), float(body[:, 2].max())
    height = low + (high - low) * float(rng.uniform(0.05, 0.95))
    near = body[np.abs(body[:, 2] - height) < 0.12 * (high - low)]
    near = near if len(near) else body
    inner = 0.8 * float(np.median(np.linalg.norm(near[:, :2] - near[:, :2].mean(0), axis=1)))
    outer, thick = inner + size * float(rng.uniform(0.15, 0.35)), size * float(rng.uniform(0.012, 0.03))
    bend = size * float(rng.uniform(-0.12, 0.12))
    profile = [(0.0, 0.0), (outer, bend), (outer, bend + thick), (0.0, thick)]
    x, y = near[:, :2].mean(0).tolist()
    return [lathe(profile, 28).scaled(y=float(rng.uniform(0.8, 1.0))).at(x, y, height)]


def _tail(rng: np.random.Generator, body: Body) -> list[Solid]:
    radius, size = _thickness(rng, body), _size(body)
    start = _surface(body, np.array([-1.0, rng.uniform(-0.2, 0.2), rng.uniform(-0.4, 0.2)]))
    offsets = size * np.array([[-0.2, 0, 0.05], [-0.35, 0.15, 0.0], [-0.4, -0.1, 0.4]]) * rng.uniform(0.6, 1.2)
    controls = [start.tolist(), *((start + offset).tolist() for offset in offsets)]
    return [tube(curve(controls, 9), np.linspace(1.3 * radius, 0.8 * radius, 9), 8)]


_LIMBS: tuple[Callable[[np.random.Generator, Body], list[Solid]], ...] = (
    _legs,
    _arms,
    _antennae,
    _handles,
    _spout,
    _brim,
    _tail,
)
